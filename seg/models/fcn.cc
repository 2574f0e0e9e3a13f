#include "seg/models/fcn.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace seg {

static_assert(Model<Fcn>);

absl::StatusOr<FcnConfig> ConfigureFcn(absl::string_view size, int64_t classes) {
  absl::string_view name = size;
  const bool sssegmentation = absl::ConsumeSuffix(&name, "_sss");
  if (sssegmentation && name != "resnet50" && name != "resnet101")
    return absl::NotFoundError(
        absl::StrCat("no FCN is called '", size, "': SSSegmentation's are resnet50_sss and resnet101_sss"));
  absl::StatusOr<ResNetConfig> encoder =
      ConfigureResNet(sssegmentation ? absl::StrCat(name, "_v1c") : std::string(size));
  if (!encoder.ok()) return encoder.status();
  FcnConfig config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  config.encoder.output_stride = 8;
  if (sssegmentation) {
    config.head = FcnHeadConfig::Sssegmentation();
    config.auxiliary_head = FcnHeadConfig::SssegmentationAuxiliary();
  } else if (absl::EndsWith(size, "_v1c")) {
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
