#include "seg/encoders/eva02.h"

#include <cmath>
#include <complex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "autograd/runtime/error.h"
#include "nn/checkpoints/prefixes.h"

namespace seg {

using autograd::Array;

absl::StatusOr<Eva02Config> ConfigureEva02(absl::string_view name) {
  Eva02Config config;
  if (name == "eva02_large_patch14") return config;
  if (name == "eva02_large_patch14to16") {
    config.patch = 16;
    config.image_size = 512;
    return config;
  }
  if (name == "micro") {
    config.patch = 8;
    config.width = 64;
    config.depth = 4;
    config.heads = 2;
    config.image_size = 64;
    config.drop_path = 0;
    return config;
  }
  return absl::NotFoundError(absl::StrCat("no EVA-02 is called '", name,
                                          "': there are micro, eva02_large_patch14 and eva02_large_patch14to16"));
}

namespace {

// exp(i·angle) of every coordinate of an axis and every band, [extent, bands].
std::vector<std::complex<float>> AxisTurns(int64_t extent, int64_t bands, double reference_grid) {
  std::vector<std::complex<float>> turns;
  for (int64_t i = 0; i < extent; ++i) {
    const double coordinate = static_cast<double>(i) * reference_grid / static_cast<double>(extent);
    for (int64_t k = 0; k < bands; ++k) {
      const double frequency = std::pow(10000.0, -static_cast<double>(k) / static_cast<double>(bands));
      turns.emplace_back(std::polar(1.0, coordinate * frequency));
    }
  }
  return turns;
}

}  // namespace

nn::RotaryTable Eva02Rotation(int64_t height, int64_t width, int64_t head_width, double reference_grid) {
  const int64_t bands = head_width / 4;
  autograd::Require(head_width == 4 * bands, "Eva02Rotation", "heads of ", head_width,
                    " channels are not pairs for two axes");
  const std::vector<std::complex<float>> rows = AxisTurns(height, bands, reference_grid),
                                         columns = AxisTurns(width, bands, reference_grid);
  std::vector<float> cosine(2 * bands, 1), sine(2 * bands, 0);
  const auto append = [&](const std::vector<std::complex<float>>& turns, int64_t i) {
    for (int64_t k = i * bands; k < (i + 1) * bands; ++k) {
      cosine.push_back(turns[k].real());
      sine.push_back(turns[k].imag());
    }
  };
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      append(rows, y);
      append(columns, x);
    }
  }
  const autograd::Shape shape{1 + height * width, 2 * bands};
  return {Array::From(shape, cosine), Array::From(shape, sine)};
}

Eva02::Eva02(const Eva02Config& given, RandomKey key)
    : config(given),
      tokens(
          {.patch = given.patch, .width = given.width, .image_size = given.image_size, .class_token_deviation = 0.02},
          key.Split("tokens")) {
  for (int64_t tap : config.taps)
    autograd::Require(tap >= 0 && tap < config.depth, "Eva02", "no block ", tap, " among ", config.depth);
  for (int64_t i = 0; i < config.depth; ++i) {
    blocks.emplace_back(config.width,
                        nn::Eva02BlockOptions{.heads = config.heads,
                                              .epsilon = config.epsilon,
                                              .drop_path = nn::DropPathRate(config.drop_path, i, config.depth),
                                              // timm's fix_init_weight, after BEiT.
                                              .output_deviation = 0.02 / std::sqrt(2.0 * static_cast<double>(i + 1))},
                        key.Split("blocks").Split(i));
  }
  if (config.final_norm) norm.emplace(config.width, config.epsilon);
}

TransformerFeatures Eva02::operator()(const Variable& images, const nn::Context& context) {
  const TokenGrid grid = tokens(images);
  const nn::RotaryTable rotation =
      Eva02Rotation(grid.height, grid.width, config.width / config.heads, config.reference_grid);
  TransformerFeatures features = RunBlocks(
      grid, config.depth, config.taps, config.checkpoint_blocks,
      [this, context, rotation](int64_t i, const Variable& x) { return blocks[i](x, rotation, context.Split(i)); });
  if (norm.has_value()) features.map = (*norm)(features.map);
  return features;
}

void Eva02::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("", tokens);
  visitor.Field("blocks", blocks);
  visitor.Field("norm", norm);
}

std::string Eva02TimmName(const std::string& name) {
  absl::string_view rest = name;
  nn::DropPrefixes({"module.", "model.", "model_ema.", "backbone.", "encoder."}, rest);
  if (nn::BeginsWithAny(rest,
                        {"head.", "lm_head.", "mask_token", "rope.", "decoder.", "decode_head.", "auxiliary_head."}))
    return "";
  if (absl::StrContains(rest, ".rope.") || absl::EndsWith(rest, ".k_bias")) return "";
  if (absl::ConsumePrefix(&rest, "fc_norm.")) return absl::StrCat("norm.", rest);
  return absl::StrReplaceAll(rest, {{".mlp.w1.", ".mlp.fc1_g."},
                                    {".mlp.w2.", ".mlp.fc1_x."},
                                    {".mlp.w3.", ".mlp.fc2."},
                                    {".mlp.ffn_ln.", ".mlp.norm."},
                                    {".attn.q_bias", ".attn.q_proj.bias"},
                                    {".attn.v_bias", ".attn.v_proj.bias"}});
}

absl::StatusOr<nn::LoadReport> LoadEva02(const std::string& path, Eva02& encoder) {
  return LoadPatchWeights(path, encoder, encoder.tokens, {.rename = Eva02TimmName});
}

}  // namespace seg
