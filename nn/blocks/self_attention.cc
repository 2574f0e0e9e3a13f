#include "nn/blocks/self_attention.h"

#include <cmath>

#include "autograd/core/dims.h"
#include "autograd/ops/attention.h"
#include "autograd/ops/transpose.h"

namespace nn {
namespace {

Linear Projection(int64_t inputs, int64_t outputs, RandomKey key) {
  return Linear(
      inputs, outputs,
      {.weight_initializer = GlorotUniform(), .bias_initializer = Zeros(), .layout = Layout::kPointwiseConv2d}, key);
}

}  // namespace

SelfAttention::SelfAttention(int64_t inputs, int64_t outputs, const SelfAttentionOptions& options, RandomKey random)
    : query(Projection(inputs, options.key_width, random.Split("query"))),
      key(Projection(inputs, options.key_width, random.Split(options.shared_initial_values ? "query" : "key"))),
      value(Projection(inputs, outputs, random.Split("value"))),
      scale(options.scale ? 1 / std::sqrt(static_cast<double>(options.key_width)) : 1) {}

Variable SelfAttention::operator()(const Variable& x) {
  autograd::Dims dims("SelfAttention");
  dims.Match(x, "x: n h w c");
  const int64_t n = dims["n"], h = dims["h"], w = dims["w"];
  const auto as_tokens = [&](const Variable& image) {
    return autograd::Reshape(image, {n, h * w, 1, image.shape()[3]});
  };
  const Variable attended =
      autograd::ScaledDotProductAttention(as_tokens(query(x)), as_tokens(key(x)), as_tokens(value(x)), scale);
  return autograd::Reshape(attended, {n, h, w, attended.shape()[3]});
}

void SelfAttention::Fields(FieldVisitor& visitor) {
  visitor.Field("query", query);
  visitor.Field("key", key);
  visitor.Field("value", value);
}

}  // namespace nn
