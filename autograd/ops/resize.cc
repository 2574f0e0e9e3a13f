#include "autograd/ops/resize.h"

#include "autograd/core/dims.h"
#include "autograd/ops/resize_kernels.h"
#include "autograd/ops/separable.h"
#include "autograd/ops/separable_kernels.h"

namespace autograd {
namespace {

Variable Resize(const char* operation, AxisFilterKind kind, const Variable& x, int64_t height, int64_t width) {
  Dims dims(operation);
  dims.Match(x, "x: n h w c").Floating(x.array());
  if (height == dims["h"] && width == dims["w"]) return x;
  return Separable(operation, x, height, width, {.kind = kind}, {.kind = kind});
}

Variable Nearest(const char* operation, bool exact, const Variable& x, int64_t height, int64_t width) {
  Dims dims(operation);
  const bool labels = x.defined() && x.rank() == 3;
  dims.Match(x, labels ? "x: n h w" : "x: n h w c");
  const Shape shape = x.shape();
  Require(height >= 1 && width >= 1, dims.operation(), "needs at least one row and column, not ", height, " x ", width);
  Require(shape[1] >= 1 && shape[2] >= 1, dims.operation(), "x ", shape, " has no pixels");
  if (height == shape[1] && width == shape[2]) return x;

  const int64_t channels = labels ? 1 : shape[3];
  Array y = Array::Empty({shape[0], height, width, channels}, x.dtype());
  kernels::ResizeNearestForward(Stream::Current(), x.array().Reshape({shape[0], shape[1], shape[2], channels}), exact,
                                y);
  if (labels) y = y.Reshape({shape[0], height, width});
  if (!IsFloating(x.dtype())) return Variable(y);

  return Record(operation, y, {x}, Saved{},
                [shape, height, width, channels, exact](const Saved&, const Array& dy, Wanted) {
                  Array dx = Array::Empty({shape[0], shape[1], shape[2], channels}, dy.dtype());
                  const AxisFilter nearest{.kind = exact ? AxisFilterKind::kNearestExact : AxisFilterKind::kNearest};
                  kernels::SeparableGradient(Stream::Current(), dy.Reshape({shape[0], height, width, channels}),
                                             nearest, nearest, dx);
                  return Gradients{dx.Reshape(shape)};
                });
}

}  // namespace

Variable ResizeBilinear(const Variable& x, int64_t height, int64_t width, bool align_corners) {
  return Resize("ResizeBilinear", align_corners ? AxisFilterKind::kBilinearAlignedCorners : AxisFilterKind::kBilinear,
                x, height, width);
}

Variable ResizeBicubic(const Variable& x, int64_t height, int64_t width, bool antialias) {
  return Resize("ResizeBicubic", antialias ? AxisFilterKind::kBicubicAntialiased : AxisFilterKind::kBicubic, x, height,
                width);
}

Variable ResizeNearest(const Variable& x, int64_t height, int64_t width) {
  return Nearest("ResizeNearest", /*exact=*/false, x, height, width);
}

Variable ResizeNearestExact(const Variable& x, int64_t height, int64_t width) {
  return Nearest("ResizeNearestExact", /*exact=*/true, x, height, width);
}

}  // namespace autograd
