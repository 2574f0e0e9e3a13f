#include <algorithm>

#include "autograd/runtime/parallel.h"
#include "seg/continual/local_pod_kernels.h"

namespace seg::cpu {
namespace {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

constexpr int64_t kTile = 64;  // channels whose sums stay in registers

// out[c] = (1/count)·Σ over `count` pixels, `stride` elements apart, of map² − other².
template <typename T, typename Value>
void MeanOfSquares(const T* map, const T* other, int64_t count, int64_t stride, int64_t channels, Value* out) {
  for (int64_t tile = 0; tile < channels; tile += kTile) {
    const int64_t width = std::min(kTile, channels - tile);
    Value sums[kTile] = {};
    for (int64_t i = 0; i < count; ++i) {
      const T* const row = map + i * stride + tile;
      if (other == nullptr) {
        for (int64_t c = 0; c < width; ++c) sums[c] += DifferenceOfSquares(static_cast<Value>(row[c]), Value(0));
        continue;
      }
      const T* const subtracted = other + i * stride + tile;
      for (int64_t c = 0; c < width; ++c)
        sums[c] += DifferenceOfSquares(static_cast<Value>(row[c]), static_cast<Value>(subtracted[c]));
    }
    for (int64_t c = 0; c < width; ++c) out[tile + c] = sums[c] / static_cast<Value>(count);
  }
}

}  // namespace

void LocalPodMeans(Stream&, const Array& map, const Array& other, const PodScales& scales, Array& means) {
  if (means.size() == 0) return;
  const int64_t images = map.shape()[0], height = map.shape()[1], width = map.shape()[2], channels = map.shape()[3];
  const PodGeometry geometry(scales, height, width);
  autograd::VisitFloating("LocalPodMeans", map.dtype(), [&]<typename T>(T) {
    using Value = autograd::ComputeType<T>;
    const T* const in = map.data<T>();
    const T* const subtracted = other.defined() ? other.data<T>() : nullptr;
    Value* const out = means.data<Value>();
    // The mean of `count` pixels from (y, x) on, at place `mean`.
    const auto write = [=](int64_t image, int64_t y, int64_t x, int64_t count, int64_t stride, int64_t mean) {
      const int64_t first = ((image * height + y) * width + x) * channels;
      MeanOfSquares(in + first, subtracted == nullptr ? nullptr : subtracted + first, count, stride, channels,
                    out + (image * geometry.means + mean) * channels);
    };
    ParallelFor(images * height, 1, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / height, y = row % height;
        for (int s = 0; s < geometry.count; ++s) {
          const PodLevel& level = geometry.level[s];
          const int64_t i = y / level.cell_height;
          for (int64_t j = 0; i < level.scale && j < level.scale; ++j)
            write(image, y, j * level.cell_width, level.cell_width, channels, level.Row(i, j, y % level.cell_height));
        }
      }
    });
    ParallelFor(images * width, 1, [&](int64_t begin, int64_t end) {
      for (int64_t column = begin; column < end; ++column) {
        const int64_t image = column / width, x = column % width;
        for (int s = 0; s < geometry.count; ++s) {
          const PodLevel& level = geometry.level[s];
          const int64_t j = x / level.cell_width;
          for (int64_t i = 0; j < level.scale && i < level.scale; ++i) {
            write(image, i * level.cell_height, x, level.cell_height, width * channels,
                  level.Column(i, j, x % level.cell_width));
          }
        }
      }
    });
  });
}

void LocalPodGradient(Stream&, const Array& map, const Array& means, const Array& distances, const Array& dy,
                      const PodScales& scales, Array& dmap) {
  if (map.size() == 0) return;
  const int64_t images = map.shape()[0], height = map.shape()[1], width = map.shape()[2], channels = map.shape()[3];
  const PodGeometry geometry(scales, height, width);
  autograd::VisitFloating("LocalPodGradient", map.dtype(), [&]<typename T>(T) {
    using Value = autograd::ComputeType<T>;
    const T* const in = map.data<T>();
    const Value *const mean = means.data<Value>(), *const distance = distances.data<Value>();
    const Value upstream = dy.data<Value>()[0] / static_cast<Value>(images);
    T* const out = dmap.data<T>();
    ParallelFor(images * height, 1, [&](int64_t begin, int64_t end) {
      Value slopes[kTile];
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / height, y = row % height;
        const Value factor = distance[image] > Value(0) ? Value(2) * upstream / distance[image] : Value(0);
        const Value* const own = mean + image * geometry.means * channels;
        for (int64_t x = 0; x < width; ++x) {
          const int64_t pixel = (row * width + x) * channels;
          for (int64_t tile = 0; tile < channels; tile += kTile) {
            const int64_t count = std::min(kTile, channels - tile);
            std::fill_n(slopes, count, Value(0));
            for (int s = 0; s < geometry.count; ++s) {
              const PodLevel& level = geometry.level[s];
              const int64_t i = y / level.cell_height, j = x / level.cell_width;
              if (i >= level.scale || j >= level.scale) continue;
              const Value* const across = own + level.Row(i, j, y % level.cell_height) * channels + tile;
              const Value* const down = own + level.Column(i, j, x % level.cell_width) * channels + tile;
              const Value of_row = Value(1) / static_cast<Value>(level.cell_width);
              const Value of_column = Value(1) / static_cast<Value>(level.cell_height);
              for (int64_t c = 0; c < count; ++c) slopes[c] += of_row * across[c] + of_column * down[c];
            }
            for (int64_t c = 0; c < count; ++c)
              out[pixel + tile + c] = static_cast<T>(factor * slopes[c] * static_cast<Value>(in[pixel + tile + c]));
          }
        }
      }
    });
  });
}

}  // namespace seg::cpu
