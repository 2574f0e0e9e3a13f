#include "nn/blocks/eva02_block.h"

#include "autograd/ops/elementwise.h"

namespace nn {
namespace {

LinearOptions MlpOptions(double deviation = 0.02) {
  return {.weight_initializer = TruncatedNormal(deviation), .bias_initializer = Zeros()};
}

int64_t MlpWidth(int64_t width, const Eva02BlockOptions& options) {
  return options.mlp_width > 0 ? options.mlp_width : 8 * width / 3;
}

}  // namespace

Eva02Block::Eva02Block(int64_t width, const Eva02BlockOptions& options, RandomKey key)
    : norm1(width, options.epsilon),
      attention(
          width,
          {.heads = options.heads, .fused = false, .key_bias = false, .output_deviation = options.output_deviation},
          key.Split("attn")),
      norm2(width, options.epsilon),
      gate(width, MlpWidth(width, options), MlpOptions(), key.Split("fc1_g")),
      value(width, MlpWidth(width, options), MlpOptions(), key.Split("fc1_x")),
      inner_norm(MlpWidth(width, options), options.epsilon),
      output(MlpWidth(width, options), width, MlpOptions(options.output_deviation), key.Split("fc2")),
      drop_path{options.drop_path} {}

Variable Eva02Block::operator()(const Variable& x, const RotaryTable& rotation, const Context& context) {
  const Variable attended = attention(norm1(x), context.Split("attn"), &rotation);
  const Variable middle = drop_path.Residual(x, attended, context.Split("drop_path1"));
  const Variable z = norm2(middle);
  const Variable branch = output(inner_norm(autograd::Silu(gate(z)) * value(z)));
  return drop_path.Residual(middle, branch, context.Split("drop_path2"));
}

void Eva02Block::Fields(FieldVisitor& visitor) {
  visitor.Field("norm1", norm1);
  visitor.Field("attn", attention);
  visitor.Field("norm2", norm2);
  visitor.Field("mlp.fc1_g", gate);
  visitor.Field("mlp.fc1_x", value);
  visitor.Field("mlp.norm", inner_norm);
  visitor.Field("mlp.fc2", output);
}

}  // namespace nn
