#include "seg/models/sfpnext.h"

namespace seg {

static_assert(Model<SFPNeXt>);

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

}  // namespace seg
