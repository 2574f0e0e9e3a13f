#include "autograd/ops/attention.h"

#include "autograd/core/dims.h"
#include "autograd/ops/attention_kernels.h"

namespace autograd {

Variable ScaledDotProductAttention(const Variable& q, const Variable& k, const Variable& v, double scale) {
  return ScaledDotProductAttention(q, k, v, scale, nullptr);
}

Variable ScaledDotProductAttention(const Variable& q, const Variable& k, const Variable& v, double scale,
                                   Array* probabilities) {
  Dims dims("ScaledDotProductAttention");
  dims.Match(q, "q: n l heads d").Match(k, "k: n keys heads d").Match(v, "v: n keys heads dv");
  dims.Floating(q.array()).SameType(q, k).SameType(q, v);
  Require(dims["keys"] >= 1 || dims["l"] == 0, dims.operation(), "k ", k.shape(), " has no keys to attend to");

  Array y = Array::Empty({dims["n"], dims["l"], dims["heads"], dims["dv"]}, q.dtype());
  Array log_sums = Array::Empty({dims["n"], dims["heads"], dims["l"]}, q.dtype() == kFloat64 ? kFloat64 : kFloat32);
  kernels::AttentionForward(Stream::Current(), q.array(), k.array(), v.array(), scale, y, log_sums);
  if (probabilities != nullptr) {
    *probabilities = Array::Empty({dims["n"], dims["heads"], dims["l"], dims["keys"]}, q.dtype());
    kernels::AttentionProbabilities(Stream::Current(), q.array(), k.array(), log_sums, scale, *probabilities);
  }

  return Record(dims.operation(), y, {q, k, v}, Saved{q.array(), k.array(), v.array(), y, log_sums},
                [scale](const Saved& saved, const Array& dy, Wanted wanted) {
                  Gradients gradients(3);
                  for (int i = 0; i < 3; ++i) {
                    if (wanted[i]) gradients[i] = EmptyLike(saved[i]);
                  }
                  kernels::AttentionGradient(Stream::Current(), saved[0], saved[1], saved[2], saved[3], saved[4], dy,
                                             scale, gradients[0], gradients[1], gradients[2]);
                  return gradients;
                });
}

}  // namespace autograd
