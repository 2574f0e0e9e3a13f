#include "experiments/runner/network.h"

#include <utility>

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

using autograd::DType;
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

// A network from its configuration. The last parameters are of SegmenterOf.
template <typename Model, typename Config>
absl::StatusOr<std::unique_ptr<Segmenter>> Make(absl::StatusOr<Config> config, DType precision, RandomKey key,
                                                const std::string& description,
                                                typename SegmenterOf<Model>::EncoderLoader load_encoder,
                                                int (*size_multiple)(const Config&)) {
  if (!config.ok()) return config.status();
  config->compute = precision;
  Model model(*config, key);
  std::string last_layer;
  if constexpr (std::is_same_v<Model, seg::Segmenter>) {
    last_layer = model.LastLayer();
  } else {
    last_layer = Model::kLastLayer;
  }
  const int classes = static_cast<int>(config->classes);
  return std::make_unique<SegmenterOf<Model>>(std::move(model), size_multiple(*config), classes, std::move(last_layer),
                                              description, std::move(load_encoder));
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
                                                       DType precision) {
  const NetworkName parsed = Parse(name);
  const std::string& encoder = parsed.encoder;
  const std::string description = absl::StrCat(parsed.title, encoder, ", ", classes, " classes");
  absl::StatusOr<std::unique_ptr<Segmenter>> network = [&]() -> absl::StatusOr<std::unique_ptr<Segmenter>> {
    switch (parsed.family) {
      case Family::kSFPNeXt:
        return Make<seg::SFPNeXt, seg::SFPNeXtConfig>(
            seg::ConfigureSFPNeXt(encoder, classes), precision, key, description,
            [](const std::string& path, seg::SFPNeXt& model) { return seg::LoadConvNeXtV2(path, model.encoder); },
            [](const seg::SFPNeXtConfig& config) { return static_cast<int>(8 * config.encoder.stem_stride); });
      case Family::kDeepLabV3:
        return Make<seg::DeepLabV3, seg::DeepLabV3Config>(
            seg::ConfigureDeepLabV3(encoder, classes), precision, key, description,
            [](const std::string& path, seg::DeepLabV3& model) { return seg::LoadResNet(path, model.backbone); },
            [](const seg::DeepLabV3Config& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kFcn:
        return Make<seg::Fcn, seg::FcnConfig>(
            seg::ConfigureFcn(encoder, classes), precision, key, description,
            [](const std::string& path, seg::Fcn& model) { return seg::LoadResNet(path, model.backbone); },
            [](const seg::FcnConfig& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kSemanticFpn:
        return Make<seg::ResNetSemanticFpn, seg::ResNetSemanticFpnConfig>(
            seg::ConfigureResNetSemanticFpn(encoder, classes), precision, key, description,
            [](const std::string& path, seg::ResNetSemanticFpn& model) { return seg::LoadResNet(path, model.encoder); },
            [](const seg::ResNetSemanticFpnConfig& config) { return static_cast<int>(config.encoder.output_stride); });
      case Family::kSegmenter:
        break;
    }
    return Make<seg::Segmenter, seg::SegmenterConfig>(seg::ConfigureSegmenter(encoder, classes), precision, key,
                                                      description, LoadTransformer, StrideOfPatches);
  }();
  if (network.ok() || network.status().code() != absl::StatusCode::kNotFound) return network;
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", network.status().message(),
      "; a network is called sfpnext_…, deeplabv3_…, fcn_…, semantic_fpn_… or segmenter_… with its encoder"));
}

}  // namespace experiments
