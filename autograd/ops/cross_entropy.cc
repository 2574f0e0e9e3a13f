#include "autograd/ops/cross_entropy.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/cross_entropy_operands.h"

namespace autograd {
Variable CrossEntropy(const Variable& logits, const Array& labels, int void_label, const Array& weights, PixelMean mean,
                      const Array& class_weights) {
  Dims dims("CrossEntropy");
  dims.Match(logits, "logits: ... k").Match(labels, "labels: ...").Floating(logits.array());
  RequireLabels(dims, logits, labels);
  RequireWeights(dims, logits, weights, "weights", "weights: ...");
  RequireWeights(dims, logits, class_weights, "class_weights", "class_weights: k");

  const DType statistics = StatisticsType(logits.dtype());
  Array loss = Array::Empty({}, statistics), log_sum_exp = Array::Empty(labels.shape(), statistics),
        scale = Array::Empty({1}, kFloat64);
  kernels::CrossEntropyForward(Stream::Current(), logits.array(), labels, weights, class_weights, void_label,
                               mean == PixelMean::kOverAll, loss, log_sum_exp, scale);
  return Record("CrossEntropy", loss, {logits},
                Saved{logits.array(), labels, weights, class_weights, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CrossEntropyGradient(Stream::Current(), saved[0], saved[1], saved[2], saved[3], void_label,
                                                saved[4], saved[5], dy, dlogits);
                  return Gradients{dlogits};
                });
}

}  // namespace autograd
