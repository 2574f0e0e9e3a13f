#include <algorithm>

#include "autograd/ops/rows_cuda.h"
#include "autograd/ops/sliding_windows_kernels.h"

namespace autograd::cuda {
namespace {

// What one launch adds; it travels with the kernel's arguments.
constexpr int kWindowsPerLaunch = 64;
struct Windows {
  int64_t rows[kWindowsPerLaunch];  // of the top left pixel, counted through all images
  int32_t columns[kWindowsPerLaunch];
  int32_t count, height, width;
};

struct SumExtents {
  int64_t first_row, rows, columns, channels;
  int32_t first_column;
  int64_t score_rows, score_columns;
};

// One thread a pack of channels of one pixel, which gathers from the windows that cover it, in their order.
template <int kWidth, typename T>
__global__ void AddWindowsKernel(const T* scores, Windows windows, SumExtents e, uint32_t size, T* sums,
                                 int32_t* coverage) {
  const uint32_t packs = static_cast<uint32_t>(e.channels / kWidth);
  ForEachInRows(e.rows, size, [&](int64_t line, uint32_t element) {
    const int64_t row = e.first_row + line;
    const int32_t column = e.first_column + static_cast<int32_t>(element / packs);
    const int64_t c = element % packs * kWidth, pixel = row * e.columns + column;
    ComputeType<T> totals[kWidth], values[kWidth];
    LoadMany(sums + pixel * e.channels + c, totals);
    int32_t covering = 0;
    for (int w = 0; w < windows.count; ++w) {
      const int64_t i = row - windows.rows[w];
      const int32_t j = column - windows.columns[w];
      if (i < 0 || i >= windows.height || j < 0 || j >= windows.width) continue;
      LoadMany(scores + ((w * e.score_rows + i) * e.score_columns + j) * e.channels + c, values);
      for (int k = 0; k < kWidth; ++k) totals[k] = static_cast<ComputeType<T>>(static_cast<T>(totals[k] + values[k]));
      ++covering;
    }
    if (covering == 0) return;
    StoreMany(sums + pixel * e.channels + c, totals);
    if (c == 0) coverage[pixel] += covering;
  });
}

template <int kWidth, typename T>
__global__ void DivideKernel(const int32_t* coverage, int64_t rows, uint32_t size, uint32_t packs, T* sums) {
  ForEachInRows(rows, size, [&](int64_t row, uint32_t element) {
    const int64_t pixel = row * (size / packs) + element / packs, place = (row * size + element) * kWidth;
    const int32_t count = coverage[pixel];
    if (count <= 1) return;
    ComputeType<T> values[kWidth];
    LoadMany(sums + place, values);
    for (int k = 0; k < kWidth; ++k) values[k] /= static_cast<ComputeType<T>>(count);
    StoreMany(sums + place, values);
  });
}

}  // namespace

void AddWindows(Stream& stream, const Array& scores, std::span<const WindowPlace> places, int64_t height, int64_t width,
                Array& sums, Array& coverage) {
  const int64_t image_rows = sums.shape()[1], channels = sums.shape()[3];
  const int64_t window_size = scores.size() / scores.shape()[0];
  VisitFloating("AddWindows", scores.dtype(), [&]<typename T>(T) {
    constexpr int kPack = Pack<T>::kSize;
    const bool packed = channels % kPack == 0 && Aligned(scores.raw(), sums.raw());
    for (size_t first = 0; first < places.size(); first += kWindowsPerLaunch) {
      const auto some = places.subspan(first, std::min<size_t>(kWindowsPerLaunch, places.size() - first));
      Windows windows{};
      windows.count = static_cast<int32_t>(some.size());
      windows.height = static_cast<int32_t>(height);
      windows.width = static_cast<int32_t>(width);
      for (size_t w = 0; w < some.size(); ++w) {
        windows.rows[w] = some[w].image * image_rows + some[w].top;
        windows.columns[w] = static_cast<int32_t>(some[w].left);
      }
      const WindowBounds bounds = BoundsOf(some, height, width, image_rows);
      const SumExtents extents{bounds.first_row, bounds.last_row - bounds.first_row,        sums.shape()[2],
                               channels,         static_cast<int32_t>(bounds.first_column), scores.shape()[1],
                               scores.shape()[2]};
      const int64_t size = (bounds.last_column - bounds.first_column) * (channels / (packed ? kPack : 1));
      const RowLaunch launch = LaunchOfRows("AddWindows", extents.rows, size);
      Launch("AddWindows", stream, launch.grid, launch.block,
             packed ? &AddWindowsKernel<kPack, T> : &AddWindowsKernel<1, T>,
             scores.data<T>() + static_cast<int64_t>(first) * window_size, windows, extents, size, sums.data<T>(),
             coverage.data<int32_t>());
    }
  });
}

void DivideByCoverage(Stream& stream, const Array& coverage, Array& sums) {
  if (sums.size() == 0) return;
  const int64_t rows = sums.shape()[0] * sums.shape()[1], channels = sums.shape()[3];
  VisitFloating("DivideByCoverage", sums.dtype(), [&]<typename T>(T) {
    constexpr int kPack = Pack<T>::kSize;
    const bool packed = channels % kPack == 0 && Aligned(sums.raw());
    const int64_t packs = channels / (packed ? kPack : 1), size = sums.shape()[2] * packs;
    const RowLaunch launch = LaunchOfRows("DivideByCoverage", rows, size);
    Launch("DivideByCoverage", stream, launch.grid, launch.block,
           packed ? &DivideKernel<kPack, T> : &DivideKernel<1, T>, coverage.data<int32_t>(), rows, size, packs,
           sums.data<T>());
  });
}

}  // namespace autograd::cuda
