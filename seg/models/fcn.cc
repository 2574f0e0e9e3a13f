#include "seg/models/fcn.h"

#include "absl/strings/match.h"

namespace seg {

static_assert(Model<Fcn>);

absl::StatusOr<FcnConfig> ConfigureFcn(absl::string_view size, int64_t classes) {
  absl::StatusOr<ResNetConfig> encoder = ConfigureResNet(size);
  if (!encoder.ok()) return encoder.status();
  FcnConfig config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  config.encoder.output_stride = 8;
  if (absl::EndsWith(size, "_v1c")) {
    config.head = FcnHeadConfig::Mmseg();
    config.auxiliary_head = FcnHeadConfig::MmsegAuxiliary();
  } else if (size == "micro") {
    config.head.width = 32;
    config.auxiliary_head.width = 16;
  }
  return config;
}

absl::StatusOr<nn::LoadReport> LoadFcn(const std::string& path, Fcn& network, bool strict) {
  const int64_t convolutions = network.config.head.convolutions;
  const auto head = [convolutions](const std::string& name) { return FcnHeadName(name, convolutions); };
  return LoadResNetSegmentor(path, network, head, strict);
}

}  // namespace seg
