#include "autograd/ops/pooling_kernels.h"
#include "autograd/ops/rows_cuda.h"

namespace autograd::cuda {
namespace {

struct Extents {
  int height, width, out_height, out_width, kernel, stride, padding;
  int64_t channels;

  Extents(const Shape& x, const Shape& y, const PoolWindow& window)
      : height(static_cast<int>(x[1])),
        width(static_cast<int>(x[2])),
        out_height(static_cast<int>(y[1])),
        out_width(static_cast<int>(y[2])),
        kernel(static_cast<int>(window.kernel)),
        stride(static_cast<int>(window.stride)),
        padding(static_cast<int>(window.padding)),
        channels(x[3]) {}
};

// The arguments of one pack.
template <int kWidth>
struct alignas(kWidth) Arguments {
  uint8_t values[kWidth];
};

// Bound by memory: neighbouring windows find what they share in the cache.
template <int kWidth, typename T>
__global__ void ForwardKernel(const T* x, Extents e, int64_t rows, T* y, uint8_t* argument) {
  using Value = ComputeType<T>;
  const uint32_t packs = static_cast<uint32_t>(e.channels / kWidth);
  ForEachInRows(rows, e.out_width * packs, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, e.out_height);
    const int i = static_cast<int>(line - image * e.out_height), j = static_cast<int>(element / packs);
    const T* const in = x + image * e.height * e.width * e.channels + (element - j * packs) * kWidth;
    const int top = i * e.stride - e.padding, left = j * e.stride - e.padding;
    const int first_row = max(0, top), first_column = max(0, left);
    Value best[kWidth], values[kWidth];
    int where[kWidth];
    LoadMany(in + (static_cast<int64_t>(first_row) * e.width + first_column) * e.channels, best);
    for (int k = 0; k < kWidth; ++k) where[k] = (first_row - top) * e.kernel + first_column - left;
    for (int row = first_row; row < min(e.height, top + e.kernel); ++row) {
      for (int column = first_column; column < min(e.width, left + e.kernel); ++column) {
        LoadMany(in + (static_cast<int64_t>(row) * e.width + column) * e.channels, values);
        const int offset = (row - top) * e.kernel + column - left;
        for (int k = 0; k < kWidth; ++k) {
          const bool better = values[k] > best[k] || values[k] != values[k];
          best[k] = better ? values[k] : best[k];
          where[k] = better ? offset : where[k];
        }
      }
    }
    const int64_t position = (line * e.out_width * packs + element) * kWidth;
    StoreMany(y + position, best);
    if (argument == nullptr) return;
    Arguments<kWidth> arguments;
    for (int k = 0; k < kWidth; ++k) arguments.values[k] = static_cast<uint8_t>(where[k]);
    *reinterpret_cast<Arguments<kWidth>*>(argument + position) = arguments;
  });
}

// Each input gathers from the windows that cover it, in their order.
template <int kWidth, typename T>
__global__ void GradientKernel(const T* dy, const uint8_t* argument, Extents e, int64_t rows, T* dx) {
  using Value = ComputeType<T>;
  const uint32_t packs = static_cast<uint32_t>(e.channels / kWidth);
  ForEachInRows(rows, e.width * packs, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, e.height), c = element % packs * kWidth;
    const int down = static_cast<int>(line - image * e.height) + e.padding,
              right = static_cast<int>(element / packs) + e.padding;
    const int end_row = min(e.out_height, down / e.stride + 1), end_column = min(e.out_width, right / e.stride + 1);
    Value sums[kWidth] = {}, values[kWidth];
    for (int i = max(0, (down - e.kernel + e.stride) / e.stride); i < end_row; ++i) {
      for (int j = max(0, (right - e.kernel + e.stride) / e.stride); j < end_column; ++j) {
        const int64_t position = ((image * e.out_height + i) * e.out_width + j) * e.channels + c;
        const int here = (down - i * e.stride) * e.kernel + right - j * e.stride;
        LoadMany(dy + position, values);
        const auto arguments = *reinterpret_cast<const Arguments<kWidth>*>(argument + position);
        for (int k = 0; k < kWidth; ++k) sums[k] += arguments.values[k] == here ? values[k] : Value(0);
      }
    }
    StoreMany(dx + (line * e.width * packs + element) * kWidth, sums);
  });
}

}  // namespace

void MaxPool2dForward(Stream& stream, const Array& x, const PoolWindow& window, Array& y, Array& argument) {
  if (y.size() == 0) return;
  const Extents extents(x.shape(), y.shape(), window);
  const int64_t rows = y.shape()[0] * y.shape()[1];
  uint8_t* const arguments = argument.defined() ? argument.data<uint8_t>() : nullptr;
  VisitFloating("MaxPool2d", x.dtype(), [&]<typename T>(T) {
    const auto launch = [&](int64_t width, auto* kernel) {
      const RowLaunch shape = LaunchOfRows("MaxPool2d", rows, y.shape()[2] * extents.channels / width);
      Launch("MaxPool2d", stream, shape.grid, shape.block, kernel, x.data<T>(), extents, rows, y.data<T>(), arguments);
    };
    constexpr int kPack = Pack<T>::kSize;
    if (extents.channels % kPack == 0 && Aligned(x.raw(), y.raw(), arguments)) {
      launch(kPack, &ForwardKernel<kPack, T>);
    } else {
      launch(1, &ForwardKernel<1, T>);
    }
  });
}

void MaxPool2dGradient(Stream& stream, const Array& dy, const Array& argument, const PoolWindow& window, Array& dx) {
  if (dx.size() == 0) return;
  const Extents extents(dx.shape(), dy.shape(), window);
  const int64_t rows = dx.shape()[0] * dx.shape()[1];
  VisitFloating("MaxPool2dGradient", dx.dtype(), [&]<typename T>(T) {
    const auto launch = [&](int64_t width, auto* kernel) {
      const RowLaunch shape = LaunchOfRows("MaxPool2dGradient", rows, dx.shape()[2] * extents.channels / width);
      Launch("MaxPool2dGradient", stream, shape.grid, shape.block, kernel, dy.data<T>(), argument.data<uint8_t>(),
             extents, rows, dx.data<T>());
    };
    constexpr int kPack = Pack<T>::kSize;
    if (extents.channels % kPack == 0 && Aligned(dx.raw(), dy.raw(), argument.raw())) {
      launch(kPack, &GradientKernel<kPack, T>);
    } else {
      launch(1, &GradientKernel<1, T>);
    }
  });
}

}  // namespace autograd::cuda
