#include "seg/encoders/resnet.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "autograd/ops/pooling.h"
#include "nn/checkpoints/prefixes.h"
#include "nn/layers/conv_norm_act.h"

namespace seg {

std::array<int64_t, 4> ResNetConfig::OutputChannels() const {
  std::array<int64_t, 4> channels = widths;
  for (int64_t& count : channels) count *= nn::Bottleneck::kExpansion;
  return channels;
}

absl::StatusOr<ResNetConfig> ConfigureResNet(absl::string_view size) {
  ResNetConfig config;
  absl::string_view name = size;
  if (absl::ConsumeSuffix(&name, "_v1c")) {
    config.stem = ResNetStem::kDeep;
  } else if (absl::ConsumeSuffix(&name, "_semseg")) {
    config.stem = ResNetStem::kDeep;
    config.stem_width = 128;
    config.contract_dilation = false;
  }
  const bool plain = config.stem == ResNetStem::kSingle;
  if (name == "resnet50") {
    config.depths = {3, 4, 6, 3};
  } else if (name == "resnet101") {
    config.depths = {3, 4, 23, 3};
  } else if (name == "resnet152" && plain) {
    config.depths = {3, 8, 36, 3};
  } else if (name == "micro" && plain) {
    config.depths = {1, 1, 1, 1};
    config.widths = {8, 16, 32, 64};
    config.stem_width = 16;
  } else {
    return absl::NotFoundError(
        absl::StrCat("no ResNet is called '", size,
                     "': there are micro, resnet50, resnet101, resnet152, resnet50_v1c, resnet101_v1c, "
                     "resnet50_semseg and resnet101_semseg"));
  }
  return config;
}

ResNet::ResNet(const ResNetConfig& given, RandomKey key) : config(given) {
  autograd::Require(config.output_stride == 4 || config.output_stride == 8 || config.output_stride == 16 ||
                        config.output_stride == 32,
                    "ResNet", "output_stride is ", config.output_stride, " but must be 4, 8, 16 or 32");
  autograd::Require(config.stages >= 1 && config.stages <= 4, "ResNet", "stages is ", config.stages,
                    " but must be 1 to 4");
  autograd::Require(config.multi_grid.empty() || static_cast<int64_t>(config.multi_grid.size()) == config.depths[3],
                    "ResNet", "multi_grid has ", config.multi_grid.size(), " factors for ", config.depths[3],
                    " blocks of the last stage");
  const auto add_stem = [&](int64_t inputs, int64_t outputs, int64_t kernel, int64_t stride) {
    const RandomKey stem_key = key.Split("stem").Split(stem_convolutions.size());
    stem_convolutions.emplace_back(
        inputs, outputs, kernel,
        nn::Conv2dOptions{
            .stride = stride, .padding = kernel / 2, .bias = false, .weight_initializer = nn::KaimingNormal()},
        stem_key);
    stem_norms.emplace_back(outputs, config.norm);
  };
  if (config.stem == ResNetStem::kSingle) {
    add_stem(3, config.stem_width, 7, 2);
  } else {
    add_stem(3, config.stem_width / 2, 3, 2);
    add_stem(config.stem_width / 2, config.stem_width / 2, 3, 1);
    add_stem(config.stem_width / 2, config.stem_width, 3, 1);
  }

  int64_t inputs = config.stem_width, reached = 4, dilation = 1;
  for (int s = 0; s < config.stages; ++s) {
    const int64_t previous_dilation = dilation;
    int64_t stride = s == 0 ? 1 : 2;
    if (reached == config.output_stride) {
      dilation *= stride;
      stride = 1;
    }
    reached *= stride;
    const int64_t first_dilation = config.contract_dilation ? previous_dilation : dilation;
    const RandomKey stage_key = key.Split("layer").Split(s);
    for (int64_t b = 0; b < config.depths[s]; ++b) {
      const bool grid = s == 3 && !config.multi_grid.empty();
      stages[s].emplace_back(inputs, config.widths[s],
                             nn::BottleneckOptions{.stride = b == 0 ? stride : 1,
                                                   .dilation = grid     ? dilation * config.multi_grid[b]
                                                               : b == 0 ? first_dilation
                                                                        : dilation,
                                                   .norm = config.norm,
                                                   .zero_last_norm = config.zero_last_norm},
                             stage_key.Split(b));
      inputs = nn::Bottleneck::kExpansion * config.widths[s];
    }
  }
}

std::array<Variable, 4> ResNet::operator()(const Variable& images, const nn::Context& context,
                                           std::vector<Variable>* sums) {
  Variable x = images;
  for (size_t i = 0; i < stem_convolutions.size(); ++i)
    x = nn::ConvolveAndNormalize(stem_convolutions[i], stem_norms[i], x, context, /*relu=*/true);
  x = autograd::MaxPool2d(x, 3, 2, 1);
  std::array<Variable, 4> taps;
  for (int s = 0; s < config.stages; ++s) {
    for (nn::Bottleneck& block : stages[s]) {
      const bool asked = sums != nullptr && &block == &stages[s].back();
      if (asked) sums->emplace_back();
      x = config.checkpoint_blocks && !asked ? block.Checkpointed(x, context)
                                             : block(x, context, asked ? &sums->back() : nullptr);
    }
    taps[s] = x;
  }
  return taps;
}

void ResNet::Fields(nn::FieldVisitor& visitor) {
  if (config.stem == ResNetStem::kSingle) {
    visitor.Field("conv1", stem_convolutions[0]);
    visitor.Field("bn1", stem_norms[0]);
  } else {
    // Every third place of mmseg's sequence is a ReLU.
    for (size_t i = 0; i < stem_convolutions.size(); ++i) {
      visitor.Field(absl::StrCat("stem.", 3 * i), stem_convolutions[i]);
      visitor.Field(absl::StrCat("stem.", 3 * i + 1), stem_norms[i]);
    }
  }
  for (int s = 0; s < config.stages; ++s) visitor.Field(absl::StrCat("layer", s + 1), stages[s]);
}

std::string ResNetTorchvisionName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model.", "backbone.", "backbone_net."}, rest);
  if (nn::BeginsWithAny(rest, {"fc.", "head.", "classifier.", "aux_classifier.", "decode_head.", "auxiliary_head.",
                               "neck.", "decoder.", "auxiliary_decoder.", "aspp_net.", "ppm_net.", "fpn_neck.",
                               "scale_heads.", "ppm.", "cls.", "aux."}))
    return "";
  if (absl::ConsumePrefix(&rest, "layer0.")) return absl::StrCat("stem.", rest);
  return std::string(rest);
}

absl::StatusOr<nn::LoadReport> LoadResNet(const std::string& path, ResNet& encoder) {
  nn::Rename stem = [](const std::string& name) { return name; };
  if (encoder.config.stem != ResNetStem::kSingle) {
    stem = nn::RenamePrefixes({{"conv1.", "stem.0."},
                               {"bn1.", "stem.1."},
                               {"conv2.", "stem.3."},
                               {"bn2.", "stem.4."},
                               {"conv3.", "stem.6."},
                               {"bn3.", "stem.7."}});
  }
  const auto rename = [stem, stages = encoder.config.stages](const std::string& name) -> std::string {
    const std::string ours = stem(ResNetTorchvisionName(name));
    for (int64_t s = stages; s < 4; ++s) {
      if (absl::StartsWith(ours, absl::StrCat("layer", s + 1, "."))) return "";
    }
    return ours;
  };
  return nn::LoadWeights(path, encoder, {.rename = rename});
}

}  // namespace seg
