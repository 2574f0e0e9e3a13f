#include "seg/encoders/convnext_v2.h"

#include <numeric>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {
namespace {

nn::Conv2d PatchConvolution(int64_t inputs, int64_t outputs, int64_t stride, RandomKey key) {
  return nn::Conv2d(inputs, outputs, stride,
                    {.stride = stride, .weight_initializer = nn::TruncatedNormal(), .bias_initializer = nn::Zeros()},
                    key);
}

}  // namespace

absl::StatusOr<ConvNeXtV2Config> ConfigureConvNeXtV2(absl::string_view size) {
  ConvNeXtV2Config config;
  if (size == "micro") {
    config.depths = {1, 1, 2, 1};
    config.dims = {16, 32, 64, 128};
    config.drop_path = 0;
  } else if (size == "atto") {
    config.depths = {2, 2, 6, 2};
    config.dims = {40, 80, 160, 320};
  } else if (size == "femto") {
    config.depths = {2, 2, 6, 2};
    config.dims = {48, 96, 192, 384};
  } else if (size == "pico") {
    config.depths = {2, 2, 6, 2};
    config.dims = {64, 128, 256, 512};
  } else if (size == "nano") {
    config.depths = {2, 2, 8, 2};
    config.dims = {80, 160, 320, 640};
  } else if (size == "tiny") {
    config.depths = {3, 3, 9, 3};
    config.dims = {96, 192, 384, 768};
    config.drop_path = 0.2;
    config.mlp_layout = nn::Layout::kLinear;
  } else {
    return absl::NotFoundError(
        absl::StrCat("no ConvNeXt V2 is called '", size, "': there are micro, atto, femto, pico, nano and tiny"));
  }
  return config;
}

void ConvNeXtV2::Stage::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("downsample.0", downsample_norm);
  visitor.Field("downsample.1", downsample_convolution);
  visitor.Field("blocks", blocks);
}

ConvNeXtV2::ConvNeXtV2(const ConvNeXtV2Config& given, RandomKey key)
    : config(given),
      stem_convolution(PatchConvolution(3, given.dims[0], given.stem_stride, key.Split("stem"))),
      stem_norm(given.dims[0]) {
  const int64_t count = std::accumulate(config.depths.begin(), config.depths.end(), int64_t{0});
  int64_t index = 0;
  for (int s = 0; s < 4; ++s) {
    const RandomKey stage_key = key.Split("stages").Split(s);
    Stage stage;
    if (s > 0) {
      stage.downsample_norm.emplace(config.dims[s - 1]);
      stage.downsample_convolution.emplace(
          PatchConvolution(config.dims[s - 1], config.dims[s], 2, stage_key.Split("downsample")));
    }
    for (int64_t b = 0; b < config.depths[s]; ++b) {
      stage.blocks.emplace_back(
          config.dims[s],
          nn::ConvNeXtV2BlockOptions{.drop_path = nn::DropPathRate(config.drop_path, index++, count),
                                     .mlp_layout = config.mlp_layout},
          stage_key.Split(b));
    }
    stages.push_back(std::move(stage));
  }
}

std::array<Variable, 4> ConvNeXtV2::operator()(const Variable& images, const nn::Context& context) {
  std::array<Variable, 4> taps;
  Variable x = stem_norm(stem_convolution(images));
  for (size_t s = 0; s < stages.size(); ++s) {
    Stage& stage = stages[s];
    if (stage.downsample_norm.has_value()) x = (*stage.downsample_convolution)((*stage.downsample_norm)(x));
    for (size_t b = 0; b < stage.blocks.size(); ++b) {
      nn::ConvNeXtV2Block* const block = &stage.blocks[b];
      const nn::Context block_context = context.Split(s).Split(b);
      if (config.checkpoint_blocks) {
        x = autograd::Checkpoint(
            [block, block_context](std::span<const Variable> inputs) { return (*block)(inputs[0], block_context); },
            {x});
      } else {
        x = (*block)(x, block_context);
      }
    }
    taps[s] = x;
  }
  return taps;
}

void ConvNeXtV2::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("stem.0", stem_convolution);
  visitor.Field("stem.1", stem_norm);
  visitor.Field("stages", stages);
}

namespace {

// The parts of a block under other names.
std::string BlockPart(const std::string& part) {
  static constexpr std::pair<const char*, const char*> kParts[] = {
      {"dwconv", "conv_dw"}, {"layernorm", "norm"}, {"pwconv1", "mlp.fc1"}, {"pwconv2", "mlp.fc2"}, {"grn", "mlp.grn"}};
  for (const auto& [from, to] : kParts) {
    if (part == from) return to;
  }
  return part;
}

bool IsNumber(const std::string& text) {
  int value;
  return absl::SimpleAtoi(text, &value);
}

}  // namespace

std::string ConvNeXtV2TimmName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model.", "backbone."}, rest);
  const bool hugging_face = absl::ConsumePrefix(&rest, "convnextv2.");
  if (nn::BeginsWithAny(rest,
                        {"head.", "norm.", "norm_pre.", "classifier.", "mask_token", "decoder.", "proj.", "pred."}))
    return "";
  if (hugging_face) {
    if (absl::StartsWith(rest, "layernorm.")) return "";
    if (absl::ConsumePrefix(&rest, "embeddings.patch_embeddings.")) return absl::StrCat("stem.0.", rest);
    if (absl::ConsumePrefix(&rest, "embeddings.layernorm.")) return absl::StrCat("stem.1.", rest);
    absl::ConsumePrefix(&rest, "encoder.");
  }
  std::vector<std::string> parts = absl::StrSplit(rest, '.');
  if (parts.size() >= 3 && parts[0] == "downsample_layers") {
    const std::vector<std::string> tail(parts.begin() + 2, parts.end());
    return parts[1] == "0" ? absl::StrCat("stem.", absl::StrJoin(tail, "."))
                           : absl::StrCat("stages.", parts[1], ".downsample.", absl::StrJoin(tail, "."));
  }
  if (parts.size() >= 4 && parts[0] == "stages") {
    if (parts[2] == "downsampling_layer") parts[2] = "downsample";
    if (parts[2] == "layers") parts[2] = "blocks";
    if (IsNumber(parts[2])) parts.insert(parts.begin() + 2, "blocks");
    if (parts[2] == "blocks" && parts.size() >= 6) {
      parts[4] = BlockPart(parts[4]);
      if (parts[4] == "mlp.grn" && parts.back() == "gamma") parts.back() = "weight";
      if (parts[4] == "mlp.grn" && parts.back() == "beta") parts.back() = "bias";
    }
    return absl::StrJoin(parts, ".");
  }
  return std::string(rest);
}

absl::StatusOr<nn::LoadReport> LoadConvNeXtV2(const std::string& path, ConvNeXtV2& encoder) {
  return nn::LoadWeights(path, encoder, {.rename = ConvNeXtV2TimmName});
}

}  // namespace seg
