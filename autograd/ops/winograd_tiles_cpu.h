#pragma once

// Where Winograd's tiles lie in an image, and what is read from and written to them: the part of
// conv2d_winograd_cpu.h around the products. For T = float and double.

#include <cstdint>
#include <vector>

#include "autograd/cpu/gemm.h"
#include "autograd/ops/winograd_transforms_cpu.h"

namespace autograd::cpu::winograd {

// Channels come in multiples of so many.
constexpr int64_t kChannelUnit = 8;

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// A product of images [n, h, w, c] with windows of 3×3 taps, `dilation` apart, into results [n, oh, ow, o]; the input
// gradient is one, too, of dy with the filter turned around.
struct Windows {
  int64_t n, h, w, c, oh, ow, o, padding, dilation;
};

// The 2×2 results of a tile are `dilation` apart: rows `row` and row + dilation of y, and so the columns.
struct Tile {
  int64_t image, row, column;
};

int64_t TileCount(const Windows& windows);
// All tiles: by image, then by phase of the dilation.
std::vector<Tile> TilesOf(const Windows& windows);

// kProducts matrices [rows, columns].
template <typename T>
struct Matrices {
  Matrices(T* values, int64_t all_rows, int64_t all_columns)
      : data(values),
        rows(all_rows),
        columns(all_columns),
        stride(columns + StridePadding(columns)),
        matrix(rows * stride) {}
  T* At(int64_t product, int64_t row, int64_t column = 0) const {
    return data + product * matrix + row * stride + column;
  }
  int64_t elements() const { return kProducts * matrix; }

  T* data;
  int64_t rows, columns, stride, matrix;
};

// `channels` of the windows' inputs of `some` tiles, transformed: [tiles, channels].
template <typename T>
void TransformInputs(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range channels, const T* x,
                     const Matrices<T>& to);

// `outputs` of the results of `some` tiles from their transforms, with bias (or null) and ReLU.
template <typename T>
void TransformResults(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range outputs,
                      const Matrices<T>& from, const T* bias, bool relu, T* y);

// `outputs` of the results' gradients of `some` tiles, transformed: [tiles, outputs].
template <typename T>
void TransformResultGradients(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range outputs,
                              const T* dy, const Matrices<T>& to);

// The filter [o, 3, 3, c], transformed: [channels, outputs].
template <typename T>
void TransformFilter(const T* filter, int64_t c, Range channels, Range outputs, const Matrices<T>& to);

// The filter turned around, which the input gradient multiplies dy with: [outputs, channels].
template <typename T>
void TransformTurnedFilter(const T* filter, int64_t c, Range outputs, Range channels, const Matrices<T>& to);

// The filter's gradient [o, 3, 3, c] from its transform [outputs, channels].
template <typename T>
void TransformFilterGradient(const Matrices<T>& from, int64_t c, Range outputs, Range channels, T* dfilter);

}  // namespace autograd::cpu::winograd
