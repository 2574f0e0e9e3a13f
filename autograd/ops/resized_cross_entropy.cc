#include "autograd/ops/resized_cross_entropy.h"

#include <algorithm>

#include "autograd/core/dims.h"
#include "autograd/ops/cross_entropy_kernels.h"
#include "autograd/ops/cross_entropy_operands.h"
#include "autograd/ops/resized_cross_entropy_kernels.h"

namespace autograd {
namespace {

bool OfOneSize(const Array& logits, const Array& labels) {
  return logits.shape()[1] == labels.shape()[1] && logits.shape()[2] == labels.shape()[2];
}

void RequirePixels(const Dims& dims, const Array& logits) {
  Require(logits.shape()[1] >= 1 && logits.shape()[2] >= 1, dims.operation(), "logits ", logits.shape(),
          " have no pixels");
}

}  // namespace

Variable ResizedCrossEntropy(const Variable& logits, const Array& labels, int void_label, PixelMean mean,
                             const Array& class_weights, const Array& weights) {
  Dims dims("ResizedCrossEntropy");
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w").Floating(logits.array());
  RequireLabels(dims, logits, labels);
  RequireWeights(dims, logits, weights, "weights", "weights: n h w");
  RequireWeights(dims, logits, class_weights, "class_weights", "class_weights: k");
  RequirePixels(dims, logits.array());
  if (OfOneSize(logits.array(), labels)) return CrossEntropy(logits, labels, void_label, weights, mean, class_weights);

  const DType statistics = StatisticsType(logits.dtype());
  Array loss = Array::Empty({}, statistics), scale = Array::Empty({1}, kFloat64), gradient;
  if (WillRecord({logits})) gradient = Array::Empty(logits.shape(), statistics);
  kernels::ResizedCrossEntropyForward(Stream::Current(), logits.array(), labels, weights, class_weights, void_label,
                                      mean == PixelMean::kOverAll, loss, scale, gradient);
  const DType dtype = logits.dtype();
  return Record(dims.operation(), loss, {logits}, Saved{gradient, scale},
                [dtype](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = Array::Empty(saved[0].shape(), dtype);
                  kernels::ResizedCrossEntropyGradient(Stream::Current(), saved[0], saved[1], dy, dlogits);
                  return Gradients{dlogits};
                });
}

Array ImageCrossEntropy(const Array& logits, const Array& labels, int void_label) {
  Dims dims("ImageCrossEntropy");
  dims.Match(logits, "logits: m _ _ k").Match(labels, "labels: b h w").Floating(logits);
  RequireLabels(dims, logits, labels);
  RequirePixels(dims, logits);
  const int64_t rows = dims["m"], images = dims["b"];
  Require(images > 0 ? rows % images == 0 : rows == 0, dims.operation(), "logits ", logits.shape(),
          " are not whole sets of the images of labels ", labels.shape());
  Array losses = Array::Empty({rows}, StatisticsType(logits.dtype())), scale = Array::Empty({rows}, kFloat64), none;
  if (!OfOneSize(logits, labels)) {
    kernels::ResizedCrossEntropyForward(Stream::Current(), logits, labels, {}, {}, void_label, /*count_void=*/false,
                                        losses, scale, none);
    return losses;
  }
  // The grid of a CUDA kernel bounds the images of a piece.
  constexpr int64_t kPiece = 1 << 15;
  for (int64_t set = 0; set < rows; set += images) {
    for (int64_t first = 0; first < images; first += kPiece) {
      const int64_t last = std::min(images, first + kPiece);
      const Array truth = labels.Slice(first, last);
      Array loss = losses.Slice(set + first, set + last), factor = scale.Slice(set + first, set + last),
            log_sum_exp = Array::Empty(truth.shape(), losses.dtype());
      kernels::CrossEntropyForward(Stream::Current(), logits.Slice(set + first, set + last), truth, {}, {}, void_label,
                                   /*count_void=*/false, loss, log_sum_exp, factor);
    }
  }
  return losses;
}

}  // namespace autograd
