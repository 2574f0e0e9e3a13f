#include "seg/decoders/semantic_fpn.h"

#include <string>
#include <utility>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"

namespace seg {
namespace {

constexpr int kConvolutions[4] = {1, 1, 2, 3};

nn::ConvNormAct Cbr(int64_t inputs, int64_t outputs, int64_t kernel, const SemanticFpnConfig& config, RandomKey key) {
  return nn::ConvNormAct(inputs, outputs, kernel, {.norm = config.norm, .weight_initializer = nn::GlorotUniform()},
                         key);
}

Variable ResizeLike(const Variable& x, const Variable& target) {
  return autograd::ResizeBilinear(x, target.shape()[1], target.shape()[2]);
}

}  // namespace

void SemanticFpn::Level::Fields(nn::FieldVisitor& visitor) {
  for (size_t i = 0; i < blocks.size(); ++i) visitor.Field(std::to_string(i), blocks[i]);
}

SemanticFpn::SemanticFpn(const std::array<int64_t, 4>& channels, int64_t classes, const SemanticFpnConfig& config,
                         RandomKey key)
    : top(Cbr(channels[3], config.width, 3, config, key.Split("top"))),
      fuse(Cbr(config.pyramid_width, config.pyramid_width, 1, config, key.Split("fuse"))),
      classifier(config.pyramid_width, classes,
                 {.weight_initializer = nn::GlorotUniform(),
                  .bias_initializer = nn::Zeros(),
                  .layout = nn::Layout::kPointwiseConv2d},
                 key.Split("classifier")) {
  if (config.attention) attention.emplace(config.width, config.width, config.attention_options, key.Split("attention"));
  for (uint64_t i = 0; i < 3; ++i)
    lateral.push_back(Cbr(channels[i], config.width, 1, config, key.Split("lateral").Split(i)));
  for (uint64_t level = 0; level < 4; ++level) {
    const RandomKey level_key = key.Split("pyramid").Split(level);
    Level& blocks = pyramid.emplace_back();
    for (int i = 0; i < kConvolutions[level]; ++i) {
      blocks.blocks.push_back(
          Cbr(i == 0 ? config.width : config.pyramid_width, config.pyramid_width, 3, config, level_key.Split(i)));
    }
  }
}

Variable SemanticFpn::operator()(std::span<const Variable, 4> taps, const nn::Context& context,
                                 SemanticFpnTrace* trace) {
  const Variable highest = top(taps[3], context);
  std::array<Variable, 4> levels;
  levels[3] = attention.has_value() ? highest + (*attention)(highest) : highest;
  for (int i = 2; i >= 0; --i) levels[i] = lateral[i](taps[i], context) + ResizeLike(levels[i + 1], taps[i]);

  Variable sum;
  for (int level = 0; level < 4; ++level) {
    Variable x = levels[level];
    for (int i = 0; i < kConvolutions[level]; ++i) {
      x = pyramid[level].blocks[i](x, context);
      if (level > 0) x = ResizeLike(x, levels[level - 1 - i]);
    }
    sum = sum.defined() ? sum + x : x;
  }
  const Variable fused = fuse(sum, context);
  if (trace != nullptr) *trace = {highest, levels[3], levels[0], fused};
  return classifier(fused);
}

void SemanticFpn::Fields(nn::FieldVisitor& visitor) {
  visitor.Field("top", top);
  visitor.Field("attention", attention);
  visitor.Field("lateral", lateral);
  visitor.Field("pyramid", pyramid);
  visitor.Field("fuse", fuse);
  visitor.Field("classifier", classifier);
}

}  // namespace seg
