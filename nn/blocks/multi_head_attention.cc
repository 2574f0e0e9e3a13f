#include "nn/blocks/multi_head_attention.h"

#include <array>
#include <cmath>
#include <utility>

#include "autograd/core/dims.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/concatenate.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/rotary_embedding.h"
#include "autograd/ops/transpose.h"

namespace nn {
namespace {

LinearOptions Options(bool bias, double deviation = 0.02) {
  return {.bias = bias, .weight_initializer = TruncatedNormal(deviation), .bias_initializer = Zeros()};
}

// Each input times its third of the fused matrix. Slices of a weight cost nothing; slices of the product would copy
// every token, and there are more tokens than channels.
std::array<Variable, 3> Thirds(const std::array<const Variable*, 3>& inputs, Linear& fused) {
  const Variable weight = InTypeOf(*inputs[0], fused.weight), bias = InTypeOf(*inputs[0], fused.bias);
  const int64_t width = weight.shape()[0] / 3;
  std::array<Variable, 3> parts;
  for (int i = 0; i < 3; ++i) {
    parts[i] = autograd::Linear(*inputs[i], autograd::Slice(weight, 0, i * width, (i + 1) * width),
                                autograd::Slice(bias, 0, i * width, (i + 1) * width));
  }
  return parts;
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(int64_t width, const MultiHeadAttentionOptions& options, RandomKey random)
    : proj(width, width, Options(true, options.output_deviation), random.Split("proj")),
      heads(options.heads),
      dropout{options.dropout} {
  autograd::Require(heads > 0 && width % heads == 0, "MultiHeadAttention", heads, " heads do not divide ", width,
                    " channels");
  const int64_t key_width = options.key_width > 0 ? options.key_width : width,
                value_width = options.value_width > 0 ? options.value_width : width;
  if (options.fused) {
    autograd::Require(key_width == width && value_width == width, "MultiHeadAttention",
                      "the fused form has one width of inputs, not ", width, ", ", key_width, " and ", value_width);
    autograd::Require(options.key_bias, "MultiHeadAttention", "the fused form has a key bias");
    qkv.emplace(width, 3 * width, Options(true), random.Split("qkv"));
    return;
  }
  query.emplace(width, width, Options(true), random.Split("q_proj"));
  key.emplace(key_width, width, Options(options.key_bias), random.Split("k_proj"));
  value.emplace(value_width, width, Options(true), random.Split("v_proj"));
}

Variable MultiHeadAttention::operator()(const Variable& x, const Context& context, const RotaryTable* rotation) {
  autograd::Dims dims("MultiHeadAttention");
  dims.Match(x, "x: n l width");
  return Attend({&x, &x, &x}, context, rotation);
}

Variable MultiHeadAttention::operator()(const Variable& queries, const Variable& keys, const Variable& values,
                                        const Context& context) {
  autograd::Dims dims("MultiHeadAttention");
  dims.Match(queries, "queries: n lq width").Match(keys, "keys: n lk _").Match(values, "values: n lk _");
  dims.SameType(queries, keys).SameType(queries, values);
  return Attend({&queries, &keys, &values}, context, nullptr);
}

Variable MultiHeadAttention::Attend(const std::array<const Variable*, 3>& inputs, const Context& context,
                                    const RotaryTable* rotation) {
  const Shape& shape = inputs[0]->shape();
  const int64_t n = shape[0], l = shape[1], width = shape[2], head_width = width / heads;
  std::array<Variable, 3> parts =
      qkv.has_value() ? Thirds(inputs, *qkv)
                      : std::array<Variable, 3>{(*query)(*inputs[0]), (*key)(*inputs[1]), (*value)(*inputs[2])};
  for (Variable& part : parts) part = autograd::Reshape(part, {n, part.shape()[1], heads, head_width});
  if (rotation != nullptr) {
    for (int i = 0; i < 2; ++i) parts[i] = autograd::RotaryEmbedding(parts[i], rotation->cosine, rotation->sine);
  }
  const Variable attended =
      autograd::ScaledDotProductAttention(parts[0], parts[1], parts[2], 1 / std::sqrt(static_cast<double>(head_width)));
  return dropout(proj(autograd::Reshape(attended, {n, l, width})), context);
}

void MultiHeadAttention::Fields(FieldVisitor& visitor) {
  visitor.Field("qkv", qkv);
  visitor.Field("q_proj", query);
  visitor.Field("k_proj", key);
  visitor.Field("v_proj", value);
  visitor.Field("proj", proj);
}

SplitProjections::SplitProjections(MultiHeadAttention& attention)
    : attention_(attention), fused_(std::move(attention.qkv.value())) {
  attention.qkv.reset();
  const int64_t width = fused_.weight.shape()[1];
  int64_t row = 0;
  for (std::optional<Linear>* part : {&attention.query, &attention.key, &attention.value}) {
    part->emplace(0, 0, LinearOptions{.weight_initializer = Zeros(), .bias_initializer = Zeros()}, RandomKey());
    // Slices of the first axis share storage: what is loaded into them is in the fused matrix.
    (*part)->weight.Set(fused_.weight.value().Slice(row, row + width));
    (*part)->bias.Set(fused_.bias.value().Slice(row, row + width));
    row += width;
  }
}

SplitProjections::~SplitProjections() {
  attention_.query.reset();
  attention_.key.reset();
  attention_.value.reset();
  fused_.weight.Changed();
  fused_.bias.Changed();
  attention_.qkv.emplace(std::move(fused_));
}

}  // namespace nn
