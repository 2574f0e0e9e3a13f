#include "autograd/ops/cross_entropy.h"

#include <algorithm>

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

void CheckWeights(Dims& dims, const Variable& logits, const Array& weights, const char* pattern) {
  if (!weights.defined()) return;
  dims.Match(weights, pattern);
  RequireParameterType(dims, logits, weights, "weights");
}

void CheckClassWeights(Dims& dims, const Variable& logits, const Array& class_weights) {
  if (!class_weights.defined()) return;
  dims.Match(class_weights, "class_weights: k");
  RequireParameterType(dims, logits, class_weights, "class_weights");
}

struct Entropy {
  Array loss, log_sum_exp, scale;
};

Entropy Run(const Array& logits, const Array& labels, const Array& weights, const Array& class_weights, int void_label,
            PixelMean mean) {
  const DType statistics = StatisticsType(logits.dtype());
  Entropy entropy{Array::Empty({}, statistics), Array::Empty(labels.shape(), statistics), Array::Empty({1}, kFloat64)};
  kernels::CrossEntropyForward(Stream::Current(), logits, labels, weights, class_weights, void_label,
                               mean == PixelMean::kOverAll, entropy.loss, entropy.log_sum_exp, entropy.scale);
  return entropy;
}

}  // namespace

Variable CrossEntropy(const Variable& logits, const Array& labels, int void_label, const Array& weights, PixelMean mean,
                      const Array& class_weights) {
  Dims dims("CrossEntropy");
  dims.Match(logits, "logits: ... k").Match(labels, "labels: ...").Floating(logits.array());
  CheckLabels("CrossEntropy", logits, labels);
  CheckWeights(dims, logits, weights, "weights: ...");
  CheckClassWeights(dims, logits, class_weights);

  const auto [loss, log_sum_exp, scale] = Run(logits.array(), labels, weights, class_weights, void_label, mean);

  return Record("CrossEntropy", loss, {logits},
                Saved{logits.array(), labels, weights, class_weights, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CrossEntropyGradient(Stream::Current(), saved[0], saved[1], saved[2], saved[3], void_label,
                                                saved[4], saved[5], dy, dlogits);
                  return Gradients{dlogits};
                });
}

Variable ResizedCrossEntropy(const Variable& logits, const Array& labels, int void_label, PixelMean mean,
                             const Array& class_weights, const Array& weights) {
  constexpr char kOperation[] = "ResizedCrossEntropy";
  Dims dims(kOperation);
  dims.Match(logits, "logits: n _ _ k").Match(labels, "labels: n h w").Floating(logits.array());
  CheckLabels(kOperation, logits, labels);
  CheckWeights(dims, logits, weights, "weights: n h w");
  CheckClassWeights(dims, logits, class_weights);
  if (logits.shape()[1] == dims["h"] && logits.shape()[2] == dims["w"])
    return CrossEntropy(logits, labels, void_label, weights, mean, class_weights);

  const Array resized = ResizeBilinear(logits.Detach(), dims["h"], dims["w"]).array();
  const auto [loss, log_sum_exp, scale] = Run(resized, labels, weights, class_weights, void_label, mean);

  return Record(kOperation, loss, {logits}, Saved{logits.array(), labels, weights, class_weights, log_sum_exp, scale},
                [void_label](const Saved& saved, const Array& dy, Wanted) {
                  const Shape& pixels = saved[1].shape();
                  // First the logits, then their gradient, in the same place.
                  Array resized = ResizeBilinear(Variable(saved[0]), pixels[1], pixels[2]).array();
                  kernels::CrossEntropyGradient(Stream::Current(), resized, saved[1], saved[2], saved[3], void_label,
                                                saved[4], saved[5], dy, resized);
                  Array dlogits = EmptyLike(saved[0]);
                  const AxisFilter bilinear{.kind = AxisFilterKind::kBilinear};
                  kernels::SeparableGradient(Stream::Current(), resized, bilinear, bilinear, dlogits);
                  return Gradients{dlogits};
                });
}

Array ImageCrossEntropy(const Array& logits, const Array& labels, int void_label) {
  constexpr char kOperation[] = "ImageCrossEntropy";
  // Of the resized logits of one piece: 64 MiB of float32. The grid of a CUDA kernel bounds the images of a piece.
  constexpr int64_t kElements = int64_t{1} << 24, kImages = 1 << 15;
  Dims dims(kOperation);
  dims.Match(logits, "logits: m _ _ k").Match(labels, "labels: b h w").Floating(logits);
  CheckLabels(kOperation, logits, labels);
  const int64_t rows = dims["m"], images = dims["b"], height = dims["h"], width = dims["w"];
  Require(images > 0 ? rows % images == 0 : rows == 0, kOperation, "logits ", logits.shape(),
          " are not whole sets of the images of labels ", labels.shape());
  Array losses = Array::Empty({rows}, StatisticsType(logits.dtype()));
  const int64_t elements = std::max<int64_t>(1, height * width * dims["k"]);
  const int64_t piece = std::clamp<int64_t>(kElements / elements, 1, kImages);
  for (int64_t set = 0; set < rows; set += images) {
    for (int64_t first = 0; first < images; first += piece) {
      const int64_t last = std::min(images, first + piece);
      const Array resized = ResizeBilinear(logits.Slice(set + first, set + last), height, width).array();
      const Array truth = labels.Slice(first, last);
      Array loss = losses.Slice(set + first, set + last), log_sum_exp = Array::Empty(truth.shape(), losses.dtype()),
            scale = Array::Empty({last - first}, kFloat64);
      kernels::CrossEntropyForward(Stream::Current(), resized, truth, {}, {}, void_label, /*count_void=*/false, loss,
                                   log_sum_exp, scale);
    }
  }
  return losses;
}

}  // namespace autograd
