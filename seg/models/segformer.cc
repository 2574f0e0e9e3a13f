#include "seg/models/segformer.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "autograd/ops/cast.h"

namespace seg {

static_assert(Model<SegFormer>);

namespace {

using Levels = SegFormerHeadConfig::Levels;

Levels LevelsOf(MiTPackage package) {
  const bool linear = package == MiTPackage::kHuggingFace || package == MiTPackage::kNvidia;
  return linear ? Levels::kLinear : Levels::kConvolution;
}

// What the package's SegFormer computes in another way than `config` says.
std::vector<std::string> DifferencesTo(MiTPackage package, const SegFormerConfig& config) {
  std::vector<std::string> differences = EpsilonDifferences(package, config.encoder.epsilons);
  if (LevelsOf(package) != config.head.levels) {
    differences.push_back(config.head.levels == Levels::kLinear
                              ? "has a head with norms and ReLUs before the levels are fused"
                              : "has a head of linear levels");
  }
  return differences;
}

std::array<int64_t, 4> HeadInputs(const SegFormerConfig& config) {
  std::array<int64_t, 4> inputs = config.encoder.dims;
  inputs[3] += config.extra_latent_channels;
  return inputs;
}

// The package's name of a field of the head, with what is in front of it in whole networks.
std::string HeadPublicName(MiTPackage package, const std::string& field) {
  absl::string_view rest = field;
  switch (package) {
    case MiTPackage::kHuggingFace:
    case MiTPackage::kMmseg:
      break;
    case MiTPackage::kNvidia:
      if (absl::ConsumePrefix(&rest, "linear_c.")) {
        const size_t dot = rest.find('.');
        int level = 0;
        autograd::Require(absl::SimpleAtoi(rest.substr(0, dot), &level), "SegFormerPublicNames", field);
        return absl::StrCat("decode_head.linear_c", level + 1, rest.substr(dot));
      }
      if (absl::ConsumePrefix(&rest, "linear_fuse.")) return absl::StrCat("decode_head.linear_fuse.conv.", rest);
      if (absl::ConsumePrefix(&rest, "batch_norm.")) return absl::StrCat("decode_head.linear_fuse.bn.", rest);
      if (absl::ConsumePrefix(&rest, "classifier.")) return absl::StrCat("decode_head.linear_pred.", rest);
      break;
    case MiTPackage::kSssegmentation:
      if (absl::ConsumePrefix(&rest, "convs.")) {
        const size_t dot = rest.find('.');
        const absl::string_view level = rest.substr(0, dot);
        rest.remove_prefix(dot + 1);
        if (absl::ConsumePrefix(&rest, "conv.")) return absl::StrCat("convs.", level, ".0.", rest);
        if (absl::ConsumePrefix(&rest, "bn.")) return absl::StrCat("convs.", level, ".1.", rest);
      }
      if (absl::ConsumePrefix(&rest, "fusion_conv.conv.")) return absl::StrCat("decoder.0.", rest);
      if (absl::ConsumePrefix(&rest, "fusion_conv.bn.")) return absl::StrCat("decoder.1.", rest);
      if (absl::ConsumePrefix(&rest, "conv_seg.")) return absl::StrCat("decoder.4.", rest);
      break;
  }
  return absl::StrCat("decode_head.", field);
}

const char* EncoderPrefix(MiTPackage package) {
  switch (package) {
    case MiTPackage::kHuggingFace:
      return "segformer.encoder.";
    case MiTPackage::kNvidia:
    case MiTPackage::kMmseg:
      return "backbone.";
    case MiTPackage::kSssegmentation:
      return "backbone_net.";
  }
  return "";
}

}  // namespace

absl::StatusOr<SegFormerConfig> ConfigureSegFormer(absl::string_view size, int64_t classes) {
  absl::StatusOr<MiTConfig> encoder = ConfigureMiT(size);
  if (!encoder.ok()) return encoder.status();
  SegFormerConfig config;
  config.classes = classes;
  config.encoder = *encoder;
  const int64_t width = absl::StartsWith(size, "mit_b0") || absl::StartsWith(size, "mit_b1") ? 256 : 768;
  if (absl::EndsWith(size, MiTSuffix(MiTPackage::kMmseg))) {
    config.head = SegFormerHeadConfig::Mmseg();
  } else if (absl::EndsWith(size, MiTSuffix(MiTPackage::kNvidia))) {
    config.head = SegFormerHeadConfig::Nvidia(width);
  } else {
    config.head = SegFormerHeadConfig::HuggingFace(width);
  }
  if (absl::StartsWith(size, "micro")) config.head.width = 32;
  return config;
}

SegFormer::SegFormer(const SegFormerConfig& given, RandomKey key)
    : config(given),
      encoder(given.encoder, key.Split("encoder")),
      head(HeadInputs(given), given.classes, given.head, key.Split("decode_head")) {}

Features SegFormer::Encode(const Variable& images, const nn::Context& context) {
  const std::array<Variable, 4> taps = encoder(autograd::Cast(images, config.compute), context.Split("encoder"));
  return Features(taps.begin(), taps.end());
}

Variable SegFormer::Decode(const Features& features, const nn::Context& context) {
  autograd::Require(features.size() == 4, "SegFormer", "decodes 4 features, not ", features.size());
  return autograd::Cast(head(features, context.Split("decode_head")), autograd::kFloat32);
}

Variable SegFormer::operator()(const Variable& images, const nn::Context& context) {
  return Decode(Encode(images, context), context);
}

void SegFormer::Fields(nn::FieldVisitor& visitor) {
  visitor.Field(DifferencesTo(MiTPackage::kHuggingFace, config).empty() ? "segformer.encoder" : "backbone", encoder);
  visitor.Field("decode_head", head);
}

std::string SegFormer::last_layer() const {
  return config.head.levels == Levels::kLinear ? "decode_head.classifier" : "decode_head.conv_seg";
}

std::optional<NormExtent> SegFormer::SmallestNorm(int64_t height, int64_t width) const {
  NormExtent smallest = head.SmallestNorm(MiT::TapPixels(height, width));
  if (!encoder.Fits(height, width)) smallest.values = 0;
  return smallest;
}

nn::FieldNames SegFormerPublicNames(MiTPackage package) {
  return [package](const std::string& field) -> nn::RenamedField {
    absl::string_view rest = field;
    if (absl::ConsumePrefix(&rest, "decode_head.")) return {HeadPublicName(package, std::string(rest))};
    autograd::Require(absl::ConsumePrefix(&rest, "segformer.encoder.") || absl::ConsumePrefix(&rest, "backbone."),
                      "SegFormerPublicNames", "'", field, "' is no field of SegFormer");
    nn::RenamedField renamed = MiTPublicName(package, rest);
    renamed.name = absl::StrCat(EncoderPrefix(package), renamed.name);
    return renamed;
  };
}

absl::StatusOr<nn::LoadReport> LoadSegFormer(const std::string& path, SegFormer& network, bool strict) {
  MiTOrigin origin;
  {
    const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
    if (!file.ok()) return file.status();
    origin = MiTOriginOf(*file);
  }
  if (origin.own_names || !origin.package.has_value()) return nn::LoadWeights(path, network, {.strict = strict});
  const MiTPackage package = *origin.package;
  if (const std::vector<std::string> differences = DifferencesTo(package, network.config); !differences.empty()) {
    const std::string suffix = MiTSuffix(package);
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' is of ", Owner(package), " SegFormer, which ", absl::StrJoin(differences, " and "),
                     ", unlike this network; a size of ConfigureSegFormer ",
                     suffix.empty() ? "without a suffix" : absl::StrCat("with '", suffix, "'"), " is like it"));
  }
  nn::RenamedModule theirs(network, SegFormerPublicNames(package));
  nn::LoadOptions options{.strict = strict};
  if (package == MiTPackage::kNvidia) options.rename = nn::RenamePrefixes({{"decode_head.conv_seg.", nullptr}});
  absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(path, theirs, options);
  if (report.ok()) theirs.Split();
  return report;
}

absl::Status SaveSegFormer(const std::string& path, SegFormer& network, MiTPackage package) {
  if (const std::vector<std::string> differences = DifferencesTo(package, network.config); !differences.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("'", path, "': ", Owner(package), " SegFormer ",
                                                      absl::StrJoin(differences, " and "),
                                                      ", unlike this network, so no file of it holds the network"));
  }
  nn::RenamedModule theirs(network, SegFormerPublicNames(package));
  // transformers asks files for what wrote them.
  return nn::SaveWeights(path, theirs, {{"format", "pt"}});
}

}  // namespace seg
