#include "nn/blocks/mix_transformer_block.h"

#include <cmath>

#include "autograd/ops/elementwise.h"

namespace nn {
namespace {

constexpr int64_t kKernel = 3;

LinearOptions MlpOptions() { return {.weight_initializer = TruncatedNormal(), .bias_initializer = Zeros()}; }

// N(0, 2 / (kernel area)): the authors' code counts the outputs of a filter's own group.
DepthwiseConv2dOptions DepthwiseOptions() {
  return {.weight_initializer = Normal(std::sqrt(2.0 / (kKernel * kKernel))), .bias_initializer = Zeros()};
}

}  // namespace

MixFfn::MixFfn(int64_t width, int64_t hidden_width, RandomKey key)
    : dense1(width, hidden_width, MlpOptions(), key.Split("dense1")),
      depthwise(hidden_width, kKernel, DepthwiseOptions(), key.Split("dwconv")),
      dense2(hidden_width, width, MlpOptions(), key.Split("dense2")) {}

Variable MixFfn::operator()(const Variable& x) { return dense2(autograd::Gelu(depthwise(dense1(x)))); }

void MixFfn::Fields(FieldVisitor& visitor) {
  visitor.Field("dense1", dense1);
  visitor.Field("dwconv.dwconv", depthwise);
  visitor.Field("dense2", dense2);
}

MixTransformerBlock::MixTransformerBlock(int64_t width, const MixTransformerBlockOptions& options, RandomKey key)
    : norm1(width, options.epsilon),
      attention(width, {.heads = options.heads, .reduction = options.reduction, .epsilon = options.reduction_epsilon},
                key.Split("attention")),
      norm2(width, options.epsilon),
      mlp(width, options.mlp_width > 0 ? options.mlp_width : 4 * width, key.Split("mlp")),
      drop_path{options.drop_path} {}

Variable MixTransformerBlock::operator()(const Variable& x, const Context& context) {
  const Variable attended = attention(norm1(x), context.Split("attention"));
  const Variable middle = drop_path.Residual(x, attended, context.Split("drop_path1"));
  return drop_path.Residual(middle, mlp(norm2(middle)), context.Split("drop_path2"));
}

void MixTransformerBlock::Fields(FieldVisitor& visitor) {
  visitor.Field("layer_norm_1", norm1);
  visitor.Field("attention", attention);
  visitor.Field("layer_norm_2", norm2);
  visitor.Field("mlp", mlp);
}

}  // namespace nn
