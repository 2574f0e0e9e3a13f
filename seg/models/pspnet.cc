#include "seg/models/pspnet.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "nn/checkpoints/prefixes.h"
#include "nn/checkpoints/safetensors.h"

namespace seg {

static_assert(Model<PspNet>);

namespace {

enum class Package { kOurs, kMmsegOrSssegmentation, kSemseg };

// By the names of the pyramid's tensors, behind whatever wrappers. Files without any are for LoadWeights to refuse.
absl::StatusOr<Package> PackageOf(const std::string& path) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  for (const nn::TensorInfo& tensor : file->tensors()) {
    if (absl::StrContains(tensor.name, "ppm.features.")) return Package::kSemseg;
    if (absl::StrContains(tensor.name, "decode_head.psp_modules.") || absl::StrContains(tensor.name, "ppm_net."))
      return Package::kMmsegOrSssegmentation;
  }
  return Package::kOurs;
}

// What `network` computes in another way than the package's, as far as its shapes do not say so.
std::vector<std::string> DifferencesTo(Package package, const PspNetConfig& config) {
  if (package == Package::kOurs) return {};
  const bool semseg = package == Package::kSemseg;
  std::vector<std::string> differences;
  if (config.head.align_corners != semseg)
    differences.push_back(absl::StrCat("resizes its bins with", semseg ? "" : "out", " aligned corners"));
  if (config.encoder.contract_dilation == semseg)
    differences.push_back(
        absl::StrCat(semseg ? "dilates" : "does not dilate", " the first block of a stage as the blocks behind it"));
  // mmseg and SSSegmentation have configurations of several strides.
  if (semseg && config.encoder.output_stride != 8) differences.push_back("has output stride 8");
  return differences;
}

// As ResNetSegmentorRename, for semseg's names.
nn::Rename SemsegRename(bool auxiliary) {
  return [auxiliary](const std::string& name) -> std::string {
    absl::string_view rest = name;
    nn::DropPrefixes({"module.", "model."}, rest);
    if (absl::ConsumePrefix(&rest, "aux.")) return auxiliary ? absl::StrCat("aux_classifier.", rest) : "";
    if (absl::StartsWith(rest, "ppm.") || absl::StartsWith(rest, "cls."))
      return absl::StrCat("classifier.", PyramidPoolingName(rest));
    if (absl::StartsWith(rest, "layer")) return absl::StrCat("backbone.", ResNetTorchvisionName(std::string(rest)));
    return std::string(rest);
  };
}

}  // namespace

absl::StatusOr<PspNetConfig> ConfigurePspNet(absl::string_view size, int64_t classes) {
  absl::StatusOr<ResNetConfig> encoder = ConfigureResNet(size);
  if (!encoder.ok()) return encoder.status();
  PspNetConfig config;
  config.classes = classes;
  config.encoder = *std::move(encoder);
  config.encoder.output_stride = 8;
  config.auxiliary_head = FcnHeadConfig::MmsegAuxiliary();
  if (absl::EndsWith(size, "_semseg")) {
    config.head = PyramidPoolingConfig::Semseg();
    config.auxiliary_head.initializers = config.head.initializers;
  } else {
    config.head = PyramidPoolingConfig::Mmseg();
  }
  if (size == "micro") {
    config.head.width = 32;
    config.auxiliary_head.width = 16;
  }
  return config;
}

absl::StatusOr<nn::LoadReport> LoadPspNet(const std::string& path, PspNet& network, bool strict) {
  const absl::StatusOr<Package> package = PackageOf(path);
  if (!package.ok()) return package.status();
  const bool semseg = *package == Package::kSemseg;
  if (const std::vector<std::string> differences = DifferencesTo(*package, network.config); !differences.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", path, "' is of ", semseg ? "semseg's PSPNet" : "mmseg's or SSSegmentation's PSPNet", ", which ",
        absl::StrJoin(differences, " and "), ", unlike this network; a size of ConfigurePspNet ",
        semseg ? "with '_semseg' is" : "without '_semseg' is", " like it"));
  }
  if (semseg)
    return nn::LoadWeights(path, network, {.strict = strict, .rename = SemsegRename(network.config.auxiliary)});
  return LoadResNetSegmentor(
      path, network, [](const std::string& name) { return PyramidPoolingName(name); }, strict);
}

}  // namespace seg
