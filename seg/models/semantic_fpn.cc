#include "seg/models/semantic_fpn.h"

#include <utility>

namespace seg {

static_assert(Model<ResNetSemanticFpn>);

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

}  // namespace seg
