#include "experiments/runner/network.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "seg/encoders/convnext_v2.h"
#include "seg/encoders/eva02.h"
#include "seg/encoders/resnet.h"
#include "seg/encoders/vit.h"
#include "seg/models/deeplabv3.h"
#include "seg/models/fcn.h"
#include "seg/models/segmenter.h"
#include "seg/models/semantic_fpn.h"
#include "seg/models/sfpnext.h"

namespace experiments {
namespace {

using autograd::RandomKey;

// What a name asks for.
enum class Family { kSFPNeXt, kDeepLabV3, kFcn, kSemanticFpn, kSegmenter };
struct NetworkName {
  Family family;
  const char* title;
  std::string encoder;
};

NetworkName Parse(const std::string& name) {
  struct Known {
    const char* prefix;
    Family family;
    const char* title;
  };
  constexpr Known kKnown[] = {{"sfpnext_", Family::kSFPNeXt, "SFPNeXt, ConvNeXt-V2 "},
                              {"deeplabv3_", Family::kDeepLabV3, "DeepLabv3, "},
                              {"fcn_", Family::kFcn, "FCN, "},
                              {"semantic_fpn_", Family::kSemanticFpn, "SemanticFPN, "},
                              {"segmenter_", Family::kSegmenter, "Segmenter, "}};
  absl::string_view rest = name;
  for (const Known& known : kKnown) {
    if (absl::ConsumePrefix(&rest, known.prefix)) return {known.family, known.title, std::string(rest)};
  }
  return {Family::kSFPNeXt, kKnown[0].title, name};
}

template <typename EncoderConfig>
bool SetDropPath(EncoderConfig& encoder, double rate) {
  if constexpr (requires { encoder.drop_path; }) {
    encoder.drop_path = rate;
    return true;
  }
  return false;
}
bool SetDropPath(std::variant<seg::ViTConfig, seg::Eva02Config>& encoder, double rate) {
  return std::visit([rate](auto& transformer) { return SetDropPath(transformer, rate); }, encoder);
}

// A network from its configuration. The last parameters are of SegmenterOf.
template <typename Model, typename Config>
absl::StatusOr<std::unique_ptr<Segmenter>> Make(absl::StatusOr<Config> config, const NetworkOptions& options,
                                                RandomKey key, std::string description,
                                                typename SegmenterOf<Model>::EncoderLoader load_encoder,
                                                int (*size_multiple)(const Config&)) {
  if (!config.ok()) return config.status();
  config->compute = options.precision;
  if (options.drop_path.has_value()) {
    const double rate = *options.drop_path;
    if (!(rate >= 0 && rate < 1))
      return absl::InvalidArgumentError(absl::StrCat("drop_path ", rate, " is not in [0, 1)"));
    if (!SetDropPath(config->encoder, rate) && rate > 0)
      return absl::InvalidArgumentError(absl::StrCat("no stochastic depth in ", description));
  }
  if (options.auxiliary_head) {
    if constexpr (requires { config->auxiliary; }) {
      config->auxiliary = true;
      absl::StrAppend(&description, ", auxiliary head");
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("no auxiliary head in ", description, "; deeplabv3_… and fcn_… have one"));
    }
  }
  Model model(*config, key);
  std::string last_layer;
  if constexpr (std::is_same_v<Model, seg::Segmenter>) {
    last_layer = model.LastLayer();
  } else {
    last_layer = Model::kLastLayer;
  }
  const int classes = static_cast<int>(config->classes);
  return std::make_unique<SegmenterOf<Model>>(std::move(model), size_multiple(*config), classes, std::move(last_layer),
                                              std::move(description), std::move(load_encoder));
}

int StrideOfPatches(const seg::SegmenterConfig& config) {
  return static_cast<int>(std::visit([](const auto& encoder) { return encoder.patch; }, config.encoder));
}

absl::StatusOr<nn::LoadReport> LoadTransformer(const std::string& path, seg::Segmenter& model) {
  return model.vit.has_value() ? seg::LoadViT(path, *model.vit) : seg::LoadEva02(path, *model.eva02);
}

}  // namespace

std::string DescribeNetwork(const std::string& name) {
  const NetworkName parsed = Parse(name);
  return absl::StrCat(parsed.title, parsed.encoder);
}

absl::StatusOr<std::unique_ptr<Segmenter>> MakeNetwork(const std::string& name, int classes, RandomKey key,
                                                       const NetworkOptions& options) {
  const NetworkName parsed = Parse(name);
  const std::string& encoder = parsed.encoder;
  const std::string description = absl::StrCat(parsed.title, encoder, ", ", classes, " classes");
  absl::StatusOr<std::unique_ptr<Segmenter>> network = [&]() -> absl::StatusOr<std::unique_ptr<Segmenter>> {
    switch (parsed.family) {
      case Family::kSFPNeXt:
        return Make<seg::SFPNeXt, seg::SFPNeXtConfig>(
            seg::ConfigureSFPNeXt(encoder, classes), options, key, description,
            [](const std::string& path, seg::SFPNeXt& model) { return seg::LoadConvNeXtV2(path, model.encoder); },
            [](const seg::SFPNeXtConfig& config) { return static_cast<int>(8 * config.encoder.stem_stride); });
      case Family::kDeepLabV3:
        return Make<seg::DeepLabV3, seg::DeepLabV3Config>(
            seg::ConfigureDeepLabV3(encoder, classes), options, key, description,
            [](const std::string& path, seg::DeepLabV3& model) { return seg::LoadResNet(path, model.backbone); },
            [](const seg::DeepLabV3Config& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kFcn:
        return Make<seg::Fcn, seg::FcnConfig>(
            seg::ConfigureFcn(encoder, classes), options, key, description,
            [](const std::string& path, seg::Fcn& model) { return seg::LoadResNet(path, model.backbone); },
            [](const seg::FcnConfig& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kSemanticFpn:
        return Make<seg::ResNetSemanticFpn, seg::ResNetSemanticFpnConfig>(
            seg::ConfigureResNetSemanticFpn(encoder, classes), options, key, description,
            [](const std::string& path, seg::ResNetSemanticFpn& model) { return seg::LoadResNet(path, model.encoder); },
            [](const seg::ResNetSemanticFpnConfig& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kSegmenter:
        break;
    }
    return Make<seg::Segmenter, seg::SegmenterConfig>(seg::ConfigureSegmenter(encoder, classes), options, key,
                                                      description, LoadTransformer, StrideOfPatches);
  }();
  if (network.ok() || network.status().code() != absl::StatusCode::kNotFound) return network;
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", network.status().message(),
      "; a network is called sfpnext_…, deeplabv3_…, fcn_…, semantic_fpn_… or segmenter_… with its encoder"));
}

}  // namespace experiments
