#include "nn/blocks/spatial_reduction_attention.h"

#include "autograd/core/dims.h"
#include "autograd/ops/transpose.h"

namespace nn {

SpatialReductionAttention::SpatialReductionAttention(int64_t width, const SpatialReductionAttentionOptions& options,
                                                     RandomKey random)
    : attention(width, {.heads = options.heads, .fused = false}, random.Split("attention")) {
  autograd::Require(options.reduction >= 1, "SpatialReductionAttention", "a reduction by ", options.reduction);
  if (options.reduction == 1) return;
  reduce.emplace(
      width, width, options.reduction,
      Conv2dOptions{.stride = options.reduction, .weight_initializer = KaimingNormal(), .bias_initializer = Zeros()},
      random.Split("sr"));
  norm.emplace(width, options.epsilon);
}

Variable SpatialReductionAttention::operator()(const Variable& x, const Context& context) {
  autograd::Dims dims("SpatialReductionAttention");
  dims.Match(x, "x: n h w c");
  const int64_t n = dims["n"], h = dims["h"], w = dims["w"], c = dims["c"];
  const auto tokens = [n, c](const Variable& map) {
    return autograd::Reshape(map, {n, map.shape()[1] * map.shape()[2], c});
  };
  const Variable queries = tokens(x), keys = reduce.has_value() ? tokens((*norm)((*reduce)(x))) : queries;
  return autograd::Reshape(attention(queries, keys, keys, context), {n, h, w, c});
}

void SpatialReductionAttention::Fields(FieldVisitor& visitor) {
  visitor.Field("self.query", attention.query);
  visitor.Field("self.key", attention.key);
  visitor.Field("self.value", attention.value);
  visitor.Field("self.sr", reduce);
  visitor.Field("self.layer_norm", norm);
  visitor.Field("output.dense", attention.proj);
}

}  // namespace nn
