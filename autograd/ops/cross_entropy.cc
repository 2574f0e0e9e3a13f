#include "autograd/ops/cross_entropy.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {

Variable CrossEntropy(const Variable& logits, const Array& labels, int void_label, const Array& weights,
                      PixelMean mean) {
  Dims dims("CrossEntropy");
  dims.Match(logits, "logits: ... k").Match(labels, "labels: ...").Floating(logits.array());
  Require(labels.dtype() == kUInt8 || labels.dtype() == kInt32, "CrossEntropy", "labels must be uint8 or int32, not ",
          labels.dtype(), " ", labels.shape());
  Require(labels.device() == logits.array().device(), "CrossEntropy", "labels are on ", labels.device(),
          " but logits on ", logits.array().device());
  if (weights.defined()) {
    dims.Match(weights, "weights: ...");
    RequireParameterType(dims, logits, weights, "weights");
  }

  const DType statistics = StatisticsType(logits.dtype());
  Array loss = Array::Empty({}, statistics), log_sum_exp = Array::Empty(labels.shape(), statistics),
        scale = Array::Empty({1}, kFloat64);
  kernels::CrossEntropyForward(Stream::Current(), logits.array(), labels, weights, void_label,
                               mean == PixelMean::kOverAll, loss, log_sum_exp, scale);

  return Record("CrossEntropy", loss, {logits}, Saved{logits.array(), labels, weights, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CrossEntropyGradient(Stream::Current(), saved[0], saved[1], saved[2], void_label, saved[3],
                                                saved[4], dy, dlogits);
                  return Gradients{dlogits};
                });
}

}  // namespace autograd
