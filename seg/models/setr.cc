#include "seg/models/setr.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "autograd/ops/cast.h"
#include "autograd/runtime/error.h"
#include "nn/checkpoints/prefixes.h"
#include "nn/checkpoints/safetensors.h"

namespace seg {

static_assert(Model<Setr>);

absl::StatusOr<SetrConfig> ConfigureSetr(absl::string_view size, int64_t classes) {
  SetrConfig config;
  config.classes = classes;
  config.head = config.auxiliary_head = SetrNaiveHeadConfig::Sssegmentation();
  absl::string_view name = size;
  int64_t image_size = 512;
  bool patch_bias = true;
  std::vector<int64_t> taps = {9, 14, 19};
  const bool micro = size == "micro";
  if (micro) {
    config.head.width = config.auxiliary_head.width = 32;
    config.head.scale = config.auxiliary_head.scale = 2;
    image_size = 64;
    taps = {0, 1, 2};
  } else if (absl::ConsumeSuffix(&name, "_cityscapes")) {
    config.head = config.auxiliary_head = SetrNaiveHeadConfig::SssegmentationCityscapes();
    image_size = 768;
    patch_bias = false;
  } else if (absl::ConsumeSuffix(&name, "_mmseg")) {
    config.head = SetrNaiveHeadConfig::Mmseg();
    config.auxiliary_head = SetrNaiveHeadConfig::MmsegAuxiliary();
  } else if (absl::ConsumeSuffix(&name, "_fudan")) {
    config.head = config.auxiliary_head = SetrNaiveHeadConfig::Fudan();
  }
  if (!micro && name != "vit_large_patch16")
    return absl::NotFoundError(
        absl::StrCat("no SETR is called '", size,
                     "': there are micro, vit_large_patch16, vit_large_patch16_cityscapes, vit_large_patch16_mmseg and "
                     "vit_large_patch16_fudan"));
  absl::StatusOr<ViTConfig> encoder = ConfigureViT(name);
  if (!encoder.ok()) return encoder.status();
  encoder->image_size = image_size;
  encoder->drop_path = config.encoder.drop_path;
  encoder->final_norm = config.encoder.final_norm;
  encoder->position_filter = config.encoder.position_filter;
  encoder->patch_bias = patch_bias;
  encoder->taps = std::move(taps);
  config.encoder = *std::move(encoder);
  return config;
}

Setr::Setr(const SetrConfig& given, RandomKey key)
    : config(given),
      encoder(given.encoder, key.Split("encoder")),
      decode_head(given.encoder.width + given.extra_latent_channels, given.classes, given.head,
                  key.Split("decode_head")) {
  autograd::Require(!config.encoder.final_norm, "Setr", "has no norm behind the last block");
  if (!config.auxiliary) return;
  for (size_t i = 0; i < config.encoder.taps.size(); ++i)
    auxiliary_heads.emplace_back(config.encoder.width, config.classes, config.auxiliary_head,
                                 key.Split("auxiliary_head").Split(i));
}

Features Setr::Encode(const Variable& images, const nn::Context& context) {
  TransformerFeatures encoded = encoder(autograd::Cast(images, config.compute), context.Split("encoder"));
  Features features = std::move(encoded.taps);
  features.push_back(std::move(encoded.map));
  return features;
}

void Setr::RequireTaps(const Features& features) const {
  autograd::Require(features.size() == latent_tap() + 1, "Setr", "decodes ", latent_tap() + 1, " features, not ",
                    features.size());
}

Variable Setr::Decode(const Features& features, const nn::Context& context) {
  RequireTaps(features);
  return decode_head(features.back(), context.Split("decode_head"));
}

std::vector<Variable> Setr::Auxiliary(const Features& features, const nn::Context& context) {
  RequireTaps(features);
  const nn::Context own = context.Split("auxiliary_head");
  std::vector<Variable> logits;
  for (size_t i = 0; i < auxiliary_heads.size(); ++i) logits.push_back(auxiliary_heads[i](features[i], own.Split(i)));
  return logits;
}

void Setr::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("encoder", encoder);
  visitor.Field("decode_head", decode_head);
  visitor.Field("auxiliary_head", auxiliary_heads);
}

std::optional<NormExtent> Setr::SmallestNorm(int64_t height, int64_t width) const {
  const int64_t patch = config.encoder.patch;
  return SetrNaiveHead::SmallestNorm(((height + patch - 1) / patch) * ((width + patch - 1) / patch));
}

namespace {

enum class Package { kOurs, kFudan, kMmseg, kSssegmentation };

constexpr const char* PackageName(Package package) {
  switch (package) {
    case Package::kOurs:
      return "this code's";
    case Package::kFudan:
      return "the authors'";
    case Package::kMmseg:
      return "mmseg's";
    case Package::kSssegmentation:
      break;
  }
  return "SSSegmentation's";
}

// By the names of the tensors, behind whatever wrappers. Files without any of these are for LoadWeights to refuse.
absl::StatusOr<Package> PackageOf(const std::string& path) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  for (const nn::TensorInfo& tensor : file->tensors()) {
    if (absl::StrContains(tensor.name, "decode_head.syncbn_fc_")) return Package::kFudan;
    if (absl::StrContains(tensor.name, "norm_layers.")) return Package::kSssegmentation;
    if (absl::StrContains(tensor.name, "backbone.layers.")) return Package::kMmseg;
  }
  return Package::kOurs;
}

// What the package's network computes in another way than `config`'s, as far as shapes do not say so.
std::vector<std::string> DifferencesTo(Package package, const SetrConfig& config) {
  if (package == Package::kOurs) return {};
  std::vector<std::string> differences;
  const int64_t scale = package == Package::kFudan ? 1 : 4;
  if (config.head.scale != scale || (config.auxiliary && config.auxiliary_head.scale != scale)) {
    differences.push_back(scale == 1 ? "resizes nothing inside its heads"
                                     : "resizes by 4 behind each convolution of its heads");
  }
  if (config.encoder.position_filter != PositionFilter::kBilinear)
    differences.push_back("resizes positions bilinearly");
  return differences;
}

// The head that a name belongs to and the rest of the name; false for names of other parts. `heads` auxiliary heads
// are in front of the main one, which is the last.
bool HeadOf(absl::string_view name, size_t heads, std::string& head, absl::string_view& rest) {
  rest = name;
  if (absl::ConsumePrefix(&rest, "decode_head.") || absl::ConsumePrefix(&rest, "decoder.")) {
    head = "decode_head";
    return true;
  }
  const bool of_norms = absl::ConsumePrefix(&rest, "norm_layers.");
  if (!of_norms && !absl::ConsumePrefix(&rest, "auxiliary_head.") && !absl::ConsumePrefix(&rest, "auxiliary_decoders."))
    return false;
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(rest, absl::MaxSplits('.', 1));
  size_t index = 0;
  if (!absl::SimpleAtoi(parts.first, &index)) return false;
  head = of_norms && index == heads ? "decode_head" : absl::StrCat("auxiliary_head.", index);
  rest = parts.second;
  return true;
}

nn::Rename SetrRename(Package package, const SetrConfig& config) {
  return [package, taps = config.encoder.taps.size(), auxiliary = config.auxiliary,
          main_convolutions = config.head.convolutions,
          auxiliary_convolutions = config.auxiliary_head.convolutions](const std::string& name) -> std::string {
    absl::string_view rest = name;
    nn::DropPrefixes({"module.", "model."}, rest);
    std::string head;
    absl::string_view part;
    if (!HeadOf(rest, taps, head, part)) {
      const std::string of_encoder = ViTTimmName(std::string(rest));
      return of_encoder.empty() ? "" : absl::StrCat("encoder.", of_encoder);
    }
    const bool is_main = head == "decode_head";
    if (!is_main && !auxiliary) return "";
    if (absl::StartsWith(rest, "norm_layers.")) return absl::StrCat(head, ".norm.", part);
    const int64_t convolutions = is_main ? main_convolutions : auxiliary_convolutions;
    std::string ours(part);
    if (package == Package::kFudan) ours = SetrHeadNameOfFudan(part, convolutions);
    if (package == Package::kSssegmentation) ours = SetrHeadNameOfSssegmentation(part, convolutions);
    return ours.empty() ? "" : absl::StrCat(head, ".", ours);
  };
}

}  // namespace

absl::StatusOr<nn::LoadReport> LoadSetr(const std::string& path, Setr& network, bool strict) {
  const absl::StatusOr<Package> package = PackageOf(path);
  if (!package.ok()) return package.status();
  if (const std::vector<std::string> differences = DifferencesTo(*package, network.config); !differences.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is of ", PackageName(*package), " SETR, which ",
                                                      absl::StrJoin(differences, " and "), ", unlike this network"));
  }
  return LoadPatchWeights(path, network, network.encoder.tokens,
                          {.strict = strict, .rename = SetrRename(*package, network.config)});
}

}  // namespace seg
