#include "seg/models/semantic_fpn.h"

#include <utility>

#include "autograd/ops/cast.h"

namespace seg {

absl::StatusOr<ResNetSemanticFpnConfig> ConfigureResNetSemanticFpn(absl::string_view size, int64_t classes) {
  absl::StatusOr<ResNetConfig> encoder = ConfigureResNet(size);
  if (!encoder.ok()) return encoder.status();
  ResNetSemanticFpnConfig config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  if (size == "micro") {
    config.decoder.width = 64;
    config.decoder.pyramid_width = 32;
  }
  return config;
}

ResNetSemanticFpn::ResNetSemanticFpn(const ResNetSemanticFpnConfig& given, RandomKey key)
    : config(given),
      encoder(given.encoder, key.Split("encoder")),
      decoder(given.encoder.OutputChannels(), given.classes, given.decoder, key.Split("decoder")) {}

Variable ResNetSemanticFpn::operator()(const Variable& images, const nn::Context& context, SemanticFpnTrace* trace) {
  const Variable x = autograd::Cast(images, config.compute);
  const Variable logits = decoder(encoder(x, context.Split("encoder")), context.Split("decoder"), trace);
  return autograd::Cast(logits, autograd::kFloat32);
}

void ResNetSemanticFpn::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", encoder);
  visitor.Field("decoder", decoder);
}

}  // namespace seg
