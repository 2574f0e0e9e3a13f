#include "seg/models/deeplabv3.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace seg {

static_assert(Model<DeepLabV3>);

absl::StatusOr<DeepLabV3Config> ConfigureDeepLabV3(absl::string_view size, int64_t classes) {
  absl::string_view name = size;
  const bool plop = absl::ConsumeSuffix(&name, "_plop");
  if (plop && name != "resnet50" && name != "resnet101")
    return absl::NotFoundError(
        absl::StrCat("no DeepLabV3 is called '", size, "': PLOP's are resnet50_plop and resnet101_plop"));
  absl::StatusOr<ResNetConfig> encoder = ConfigureResNet(name);
  if (!encoder.ok()) return encoder.status();
  DeepLabV3Config config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  config.encoder.output_stride = 8;
  if (plop) {
    config.encoder.output_stride = 16;
    config.head.aspp.rates = {6, 12, 18};
    config.head.projection_dropout = 0;
    config.head.refine = false;
  } else if (absl::EndsWith(size, "_v1c")) {
    config.head = DeepLabHeadConfig::Mmseg();
    config.auxiliary_head = FcnHeadConfig::MmsegAuxiliary();
  } else if (size == "micro") {
    config.head.aspp.width = 32;
    config.head.aspp.rates = {2, 4, 6};
    config.auxiliary_head.width = 16;
  }
  return config;
}

absl::StatusOr<nn::LoadReport> LoadDeepLabV3(const std::string& path, DeepLabV3& network, bool strict) {
  const size_t rates = network.config.head.aspp.rates.size();
  const auto head = [rates](const std::string& name) { return DeepLabHeadName(name, rates); };
  return LoadResNetSegmentor(path, network, head, strict);
}

}  // namespace seg
