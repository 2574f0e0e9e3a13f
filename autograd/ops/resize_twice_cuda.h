#pragma once

// Bilinear resizing to exactly twice the rows and columns, on CUDA: what decoders do most. The weights of
// separable_filter.h are then 1/4 and 3/4 throughout: row 2s of the result lies a quarter of a row above row s, row
// 2s + 1 a quarter below. An index that is clamped at the edges stands for the weight 1 that the edge has there. So no
// table is made, and both axes are blended in registers.

#include "autograd/core/array.h"
#include "autograd/ops/rows_cuda.h"

namespace autograd::cuda {

// Where the places first, first + 1, … of an axis begin, `stride` elements apart and clamped at the axis's ends.
template <int kCount, typename Offset>
struct ClampedOffsets {
  __device__ ClampedOffsets(int first, int extent, Offset stride) {
    for (int i = 0; i < kCount; ++i) at[i] = static_cast<Offset>(min(max(first + i, 0), extent - 1)) * stride;
  }
  Offset at[kCount];
};

// x [lines of `width` pixels], images of `height` lines → y with twice of both. A thread has a pixel's pack and makes
// the 2 × 2 results around it, which read 3 × 3 pixels.
template <int kWidth, typename T>
__global__ void TwiceForwardKernel(const T* x, int64_t lines, int height, int width, int64_t channels, T* y) {
  using Value = ComputeType<T>;
  constexpr Value kFar = Value(0.25), kNear = Value(0.75);
  const uint32_t packs = static_cast<uint32_t>(channels / kWidth);
  ForEachInRows(lines, width * packs, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, height);
    const int t = static_cast<int>(element / packs), c = static_cast<int>(element - t * packs) * kWidth;
    const ClampedOffsets<3, int64_t> rows(static_cast<int>(line - image * height) - 1, height, width * channels);
    const ClampedOffsets<3, uint32_t> columns(t - 1, width, static_cast<uint32_t>(channels));
    const T* const pixel = x + image * height * width * channels + c;
    T* const out = y + (line * 4 * width + 2 * t) * channels + c;
    Value above[2][kWidth];
    for (int u = 0; u < 3; ++u) {
      const T* const row = pixel + rows.at[u];
      Value pixels[3][kWidth], across[2][kWidth];
      for (int v = 0; v < 3; ++v) LoadMany(row + columns.at[v], pixels[v]);
      for (int k = 0; k < kWidth; ++k) {
        across[0][k] = kFar * pixels[0][k] + kNear * pixels[1][k];
        across[1][k] = kNear * pixels[1][k] + kFar * pixels[2][k];
      }
      for (int b = 0; b < 2; ++b) {
        if (u > 0) {
          const Value of_above = u == 1 ? kFar : kNear, of_this = u == 1 ? kNear : kFar;
          Value values[kWidth];
          for (int k = 0; k < kWidth; ++k) values[k] = of_above * above[b][k] + of_this * across[b][k];
          StoreMany(out + (2 * (u - 1) * width + b) * channels, values);
        }
        for (int k = 0; k < kWidth; ++k) above[b][k] = across[b][k];
      }
    }
  });
}

// dx from dy, which has twice the height and width of dx, given here: at most 4 × 4 results read a pixel.
template <int kWidth, typename T>
__global__ void TwiceGradientKernel(const T* dy, int64_t lines, int height, int width, int64_t channels, T* dx) {
  using Value = ComputeType<T>;
  constexpr Value kFar = Value(0.25), kNear = Value(0.75);
  const uint32_t packs = static_cast<uint32_t>(channels / kWidth);
  ForEachInRows(lines, width * packs, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, height);
    const int t = static_cast<int>(element / packs), c = static_cast<int>(element - t * packs) * kWidth;
    const ClampedOffsets<4, int64_t> rows(2 * static_cast<int>(line - image * height) - 1, 2 * height,
                                          2 * width * channels);
    const ClampedOffsets<4, uint32_t> columns(2 * t - 1, 2 * width, static_cast<uint32_t>(channels));
    const T* const pixel = dy + image * height * width * 4 * channels + c;
    Value sums[kWidth] = {};
    for (int u = 0; u < 4; ++u) {
      const T* const row = pixel + rows.at[u];
      Value pixels[4][kWidth];
      for (int v = 0; v < 4; ++v) LoadMany(row + columns.at[v], pixels[v]);
      for (int k = 0; k < kWidth; ++k) {
        const Value across = kFar * (pixels[0][k] + pixels[3][k]) + kNear * (pixels[1][k] + pixels[2][k]);
        sums[k] += (u == 0 || u == 3 ? kFar : kNear) * across;
      }
    }
    StoreMany(dx + (line * width * packs + element) * kWidth, sums);
  });
}

// y = x resized to twice its rows and columns, or with kGradient x is the gradient of such a result and y that of what
// was resized.
template <bool kGradient, typename T>
void ResizeTwice(const char* operation, Stream& stream, const Array& x, Array& y) {
  const Array& small = kGradient ? y : x;
  const int64_t lines = small.shape()[0] * small.shape()[1], channels = small.shape()[3];
  const auto launch = [&](int64_t pack, auto* kernel) {
    const RowLaunch shape = LaunchOfRows(operation, lines, small.shape()[2] * channels / pack);
    Launch(operation, stream, shape.grid, shape.block, kernel, x.data<T>(), lines, small.shape()[1], small.shape()[2],
           channels, y.data<T>());
  };
  constexpr int kPack = Pack<T>::kSize;
  if (channels % kPack == 0 && Aligned(x.raw(), y.raw())) {
    launch(kPack, kGradient ? &TwiceGradientKernel<kPack, T> : &TwiceForwardKernel<kPack, T>);
  } else {
    launch(1, kGradient ? &TwiceGradientKernel<1, T> : &TwiceForwardKernel<1, T>);
  }
}

}  // namespace autograd::cuda
