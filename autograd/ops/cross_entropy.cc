#include "autograd/ops/cross_entropy.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/norm_operands.h"
#include "autograd/ops/resize.h"
#include "autograd/ops/separable_kernels.h"

namespace autograd {
namespace {

void CheckLabels(const char* operation, const Variable& logits, const Array& labels) {
  Require(labels.dtype() == kUInt8 || labels.dtype() == kInt32, operation, "labels must be uint8 or int32, not ",
          labels.dtype(), " ", labels.shape());
  Require(labels.device() == logits.array().device(), operation, "labels are on ", labels.device(), " but logits on ",
          logits.array().device());
}

struct Entropy {
  Array loss, log_sum_exp, scale;
};

Entropy Run(const Array& logits, const Array& labels, const Array& weights, int void_label, PixelMean mean) {
  const DType statistics = StatisticsType(logits.dtype());
  Entropy entropy{Array::Empty({}, statistics), Array::Empty(labels.shape(), statistics), Array::Empty({1}, kFloat64)};
  kernels::CrossEntropyForward(Stream::Current(), logits, labels, weights, void_label, mean == PixelMean::kOverAll,
                               entropy.loss, entropy.log_sum_exp, entropy.scale);
  return entropy;
}

}  // namespace

Variable CrossEntropy(const Variable& logits, const Array& labels, int void_label, const Array& weights,
                      PixelMean mean) {
  Dims dims("CrossEntropy");
  dims.Match(logits, "logits: ... k").Match(labels, "labels: ...").Floating(logits.array());
  CheckLabels("CrossEntropy", logits, labels);
  if (weights.defined()) {
    dims.Match(weights, "weights: ...");
    RequireParameterType(dims, logits, weights, "weights");
  }

  const auto [loss, log_sum_exp, scale] = Run(logits.array(), labels, weights, void_label, mean);

  return Record("CrossEntropy", loss, {logits}, Saved{logits.array(), labels, weights, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CrossEntropyGradient(Stream::Current(), saved[0], saved[1], saved[2], void_label, saved[3],
                                                saved[4], dy, dlogits);
                  return Gradients{dlogits};
                });
}

Variable ResizedCrossEntropy(const Variable& logits, const Array& labels, int void_label, PixelMean mean) {
  constexpr char kOperation[] = "ResizedCrossEntropy";
  Dims dims(kOperation);
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w").Floating(logits.array());
  CheckLabels(kOperation, logits, labels);
  if (logits.shape()[1] == dims["h"] && logits.shape()[2] == dims["w"])
    return CrossEntropy(logits, labels, void_label, {}, mean);

  const Array resized = ResizeBilinear(logits.Detach(), dims["h"], dims["w"]).array();
  const auto [loss, log_sum_exp, scale] = Run(resized, labels, {}, void_label, mean);

  return Record(kOperation, loss, {logits}, Saved{logits.array(), labels, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  const Shape& pixels = saved[1].shape();
                  // First the logits, then their gradient, in the same place.
                  Array resized = ResizeBilinear(Variable(saved[0]), pixels[1], pixels[2]).array();
                  kernels::CrossEntropyGradient(Stream::Current(), resized, saved[1], {}, void_label, saved[2],
                                                saved[3], dy, resized);
                  Array dlogits = EmptyLike(saved[0]);
                  const AxisFilter bilinear{.kind = AxisFilterKind::kBilinear};
                  kernels::SeparableGradient(Stream::Current(), resized, bilinear, bilinear, dlogits);
                  return Gradients{dlogits};
                });
}

}  // namespace autograd
