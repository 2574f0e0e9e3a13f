#include "nn/blocks/transformer_block.h"

#include "autograd/ops/elementwise.h"

namespace nn {
namespace {

LinearOptions MlpOptions() { return {.weight_initializer = TruncatedNormal(), .bias_initializer = Zeros()}; }

int64_t MlpWidth(int64_t width, const TransformerBlockOptions& options) {
  return options.mlp_width > 0 ? options.mlp_width : 4 * width;
}

Variable Scaled(const Variable& branch, Parameter& scale) {
  return scale.defined() ? branch * InTypeOf(branch, scale) : branch;
}

}  // namespace

TransformerBlock::TransformerBlock(int64_t width, const TransformerBlockOptions& options, RandomKey key)
    : norm1(width, options.epsilon),
      attention(width, {.heads = options.heads, .dropout = options.dropout}, key.Split("attn")),
      norm2(width, options.epsilon),
      fc1(width, MlpWidth(width, options), MlpOptions(), key.Split("fc1")),
      fc2(MlpWidth(width, options), width, MlpOptions(), key.Split("fc2")),
      drop_path{options.drop_path},
      dropout{options.dropout} {
  if (options.layer_scale == 0) return;
  scale1.Set(Array::Full({width}, autograd::kFloat32, options.layer_scale));
  scale2.Set(Array::Full({width}, autograd::kFloat32, options.layer_scale));
}

Variable TransformerBlock::operator()(const Variable& x, const Context& context) {
  const Variable attended = Scaled(attention(norm1(x), context.Split("attn")), scale1);
  const Variable middle = drop_path.Residual(x, attended, context.Split("drop_path1"));
  const Variable hidden = dropout(fc1(norm2(middle), autograd::Activation::kGelu), context.Split("drop1"));
  const Variable branch = Scaled(dropout(fc2(hidden), context.Split("drop2")), scale2);
  return drop_path.Residual(middle, branch, context.Split("drop_path2"));
}

void TransformerBlock::Fields(FieldVisitor& visitor) {
  visitor.Field("norm1", norm1);
  visitor.Field("attn", attention);
  if (scale1.defined()) visitor.Field("ls1.gamma", scale1);
  visitor.Field("norm2", norm2);
  visitor.Field("mlp.fc1", fc1);
  visitor.Field("mlp.fc2", fc2);
  if (scale2.defined()) visitor.Field("ls2.gamma", scale2);
}

}  // namespace nn
