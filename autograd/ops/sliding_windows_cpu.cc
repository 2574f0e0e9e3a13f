#include <algorithm>

#include "autograd/ops/sliding_windows_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void AddWindows(Stream&, const Array& scores, std::span<const WindowPlace> places, int64_t height, int64_t width,
                Array& sums, Array& coverage) {
  const int64_t rows = sums.shape()[1], columns = sums.shape()[2], channels = sums.shape()[3];
  const int64_t score_rows = scores.shape()[1], score_columns = scores.shape()[2];
  const WindowBounds bounds = BoundsOf(places, height, width, rows);
  int32_t* const counts = coverage.data<int32_t>();
  VisitFloating("AddWindows", scores.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* const from = scores.data<T>();
    T* const to = sums.data<T>();
    const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, width * channels));
    ParallelFor(bounds.last_row - bounds.first_row, grain, [=](int64_t begin, int64_t end) {
      for (int64_t row = bounds.first_row + begin; row < bounds.first_row + end; ++row) {
        for (size_t w = 0; w < places.size(); ++w) {
          const int64_t i = row - places[w].image * rows - places[w].top;
          if (i < 0 || i >= height) continue;
          const int64_t pixel = row * columns + places[w].left;
          const T* __restrict in = from + (static_cast<int64_t>(w) * score_rows + i) * score_columns * channels;
          T* __restrict out = to + pixel * channels;
          for (int64_t c = 0; c < width * channels; ++c)
            out[c] = static_cast<T>(static_cast<Value>(out[c]) + static_cast<Value>(in[c]));
          for (int64_t j = 0; j < width; ++j) ++counts[pixel + j];
        }
      }
    });
  });
}

void DivideByCoverage(Stream&, const Array& coverage, Array& sums) {
  const int64_t channels = sums.shape()[3];
  const int32_t* const counts = coverage.data<int32_t>();
  VisitFloating("DivideByCoverage", sums.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    T* const out = sums.data<T>();
    const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, channels));
    ParallelFor(coverage.size(), grain, [=](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        if (counts[pixel] <= 1) continue;
        const Value count = static_cast<Value>(counts[pixel]);
        T* const row = out + pixel * channels;
        for (int64_t c = 0; c < channels; ++c) row[c] = static_cast<T>(static_cast<Value>(row[c]) / count);
      }
    });
  });
}

}  // namespace autograd::cpu
