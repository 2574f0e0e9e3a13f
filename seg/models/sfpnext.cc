#include "seg/models/sfpnext.h"

#include "autograd/ops/cast.h"

namespace seg {

absl::StatusOr<SFPNeXtConfig> ConfigureSFPNeXt(absl::string_view size, int64_t classes) {
  absl::StatusOr<ConvNeXtV2Config> encoder = ConfigureConvNeXtV2(size);
  if (!encoder.ok()) return encoder.status();
  SFPNeXtConfig config;
  config.classes = classes;
  config.encoder = *encoder;
  if (size == "micro") {
    config.decoder.width = 64;
    config.decoder.pyramid_width = 32;
    config.decoder.attention_options.key_width = 16;
  }
  return config;
}

SFPNeXt::SFPNeXt(const SFPNeXtConfig& given, RandomKey key)
    : config(given),
      encoder(given.encoder, key.Split("encoder")),
      decoder(given.encoder.dims, given.classes, given.decoder, key.Split("decoder")) {}

Variable SFPNeXt::operator()(const Variable& images, const nn::Context& context, SemanticFpnTrace* trace) {
  const Variable x = autograd::Cast(images, config.compute);
  const Variable logits = decoder(encoder(x, context.Split("encoder")), context.Split("decoder"), trace);
  return autograd::Cast(logits, autograd::kFloat32);
}

void SFPNeXt::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", encoder);
  visitor.Field("decoder", decoder);
}

}  // namespace seg
