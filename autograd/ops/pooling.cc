#include "autograd/ops/pooling.h"

#include "autograd/core/dims.h"
#include "autograd/ops/pooling_kernels.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/separable.h"

namespace autograd {
namespace {

// The number of windows along an axis of `extent`.
int64_t WindowCount(const char* operation, const Shape& shape, int64_t extent, const PoolWindow& window) {
  const auto [kernel, stride, padding] = window;
  Require(kernel >= 1 && stride >= 1 && padding >= 0 && padding <= kernel / 2, operation, "kernel ", kernel,
          ", stride ", stride, ", padding ", padding, ": needs kernel >= 1, stride >= 1, 0 <= padding <= kernel / 2");
  Require(extent >= 1 && extent + 2 * padding >= kernel, operation, "x ", shape, " is smaller than the kernel ",
          kernel);
  return (extent + 2 * padding - kernel) / stride + 1;
}

}  // namespace

Variable MaxPool2d(const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  Dims dims("MaxPool2d");
  dims.Match(x, "x: n h w c").Floating(x.array());
  const Shape shape = x.shape();
  const PoolWindow window{kernel, stride, padding};
  const int64_t height = WindowCount(dims.operation(), shape, dims["h"], window);
  const int64_t width = WindowCount(dims.operation(), shape, dims["w"], window);
  Require(kernel <= 16, dims.operation(), "kernel ", kernel, " is above 16");

  Array y = Array::Empty({shape[0], height, width, shape[3]}, x.dtype()), argument;
  if (WillRecord({x})) argument = Array::Empty(y.shape(), kUInt8);
  kernels::MaxPool2dForward(Stream::Current(), x.array(), window, y, argument);

  return Record("MaxPool2d", y, {x}, Saved{argument}, [shape, window](const Saved& saved, const Array& dy, Wanted) {
    Array dx = Array::Empty(shape, dy.dtype());
    kernels::MaxPool2dGradient(Stream::Current(), dy, saved[0], window, dx);
    return Gradients{dx};
  });
}

Variable AveragePool2d(const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  Dims dims("AveragePool2d");
  dims.Match(x, "x: n h w c");
  const PoolWindow window{kernel, stride, padding};
  const int64_t height = WindowCount(dims.operation(), x.shape(), dims["h"], window);
  const int64_t width = WindowCount(dims.operation(), x.shape(), dims["w"], window);
  const AxisFilter mean{AxisFilterKind::kAverageWindow, kernel, stride, padding};
  return Separable("AveragePool2d", x, height, width, mean, mean);
}

Variable AdaptiveAveragePool2d(const Variable& x, int64_t height, int64_t width) {
  const AxisFilter bins{.kind = AxisFilterKind::kAverageBins};
  return Separable("AdaptiveAveragePool2d", x, height, width, bins, bins);
}

Variable GlobalAveragePool(const Variable& x) {
  Dims dims("GlobalAveragePool");
  dims.Match(x, "x: n h w c");
  return Mean(x, {1, 2}, /*keep_axes=*/true);
}

}  // namespace autograd
