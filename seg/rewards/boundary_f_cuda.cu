#include "autograd/ops/rows_cuda.h"
#include "seg/rewards/boundary_f_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::Stream;

constexpr int kCounters = 256;       // for every byte
constexpr int64_t kChunk = 1 << 11;  // pixels of a map that one block looks at

// rows: of all maps.
__global__ void MarkKernel(const uint8_t* maps, const uint8_t* labels, int64_t rows, int64_t image_rows, int64_t height,
                           uint32_t width, uint8_t classes, uint8_t* boundaries) {
  ForEachInRows(rows, width, [&](int64_t row, uint32_t x) {
    const int64_t label_row = row - Divide(row, image_rows) * image_rows, y = row - Divide(row, height) * height;
    const uint8_t* const map = maps + row * width + x;
    const uint8_t* const truth = labels + label_row * width + x;
    const uint8_t own = *map;
    const auto parts = [&](bool inside, int64_t step) {
      return inside && Parts(own, map[step], truth[step], classes) != 0;
    };
    const int64_t across = 1, down = width;
    const bool counts =
        own < classes && *truth < classes &&
        (parts(x > 0, -across) || parts(x + 1 < width, across) || parts(y > 0, -down) || parts(y + 1 < height, down));
    boundaries[row * width + x] = counts ? own : kNoBoundary;
  });
}

// counts [map, class] += the boundary pixels of a chunk. Block (chunk, map). Integers, so the order of the atomics does
// not matter.
__global__ void __launch_bounds__(kBlock)
    CountKernel(const uint8_t* maps, const uint8_t* truth, int64_t images, int32_t height, int32_t width,
                int64_t chunks, int classes, Disc disc, BoundaryCounts* counts) {
  SHARED_MEMORY(counters, int[4][kCounters]);
  const int64_t pixels = int64_t{height} * width, index = blockIdx.x / chunks;
  const int64_t start = blockIdx.x % chunks * kChunk, end = min(pixels, start + kChunk);
  const uint8_t* const predicted = maps + index * pixels;
  const uint8_t* const right = truth + index % images * pixels;
  for (int k = 0; k < 4; ++k) counters[k][threadIdx.x] = 0;
  __syncthreads();
  const auto look = [&](const uint8_t* map, const uint8_t* other, int32_t pixel, int* all, int* near) {
    const uint8_t k = map[pixel];
    if (k == kNoBoundary) return;
    atomicAdd(&all[k], 1);
    const bool any =
        disc.Any(pixel / width, pixel % width, height, width, [&](int32_t row, int32_t first, int32_t last) {
          const uint8_t* const values = other + int64_t{row} * width;
          for (int32_t column = first; column <= last; ++column) {
            if (values[column] == k) return true;
          }
          return false;
        });
    if (any) atomicAdd(&near[k], 1);
  };
  for (int64_t i = start + threadIdx.x; i < end; i += kBlock) {
    look(predicted, right, static_cast<int32_t>(i), counters[0], counters[1]);
    look(right, predicted, static_cast<int32_t>(i), counters[2], counters[3]);
  }
  __syncthreads();
  const int k = threadIdx.x;
  if (k >= classes) return;
  BoundaryCounts& own = counts[index * classes + k];
  if (counters[0][k] > 0) atomicAdd(&own.predicted, counters[0][k]);
  if (counters[1][k] > 0) atomicAdd(&own.predicted_near, counters[1][k]);
  if (counters[2][k] > 0) atomicAdd(&own.truth, counters[2][k]);
  if (counters[3][k] > 0) atomicAdd(&own.truth_near, counters[3][k]);
}

// One thread a map: the classes are added in order.
__global__ void MeansKernel(const BoundaryCounts* counts, int64_t maps, int classes, ClassSet set, float* scores) {
  for (int64_t map = GridIndex(); map < maps; map += GridStride()) {
    ScoreSum sum;
    for (int k = 0; k < classes; ++k) {
      const BoundaryCounts of_class = counts[map * classes + k];
      if (of_class.In(set)) sum.Add(of_class.F());
    }
    scores[map] = static_cast<float>(sum.counted > 0 ? sum.Mean() : 0.0);
  }
}

}  // namespace

void MarkBoundaries(Stream& stream, const Array& maps, const Array& labels, int classes, Array& boundaries) {
  if (maps.size() == 0) return;
  const int64_t height = labels.shape()[1], width = labels.shape()[2], image_rows = labels.shape()[0] * height;
  const int64_t rows = maps.shape()[0] * image_rows;
  const RowLaunch launch = LaunchOfRows("BoundaryF", rows, width);
  Launch("BoundaryF", stream, launch.grid, launch.block, MarkKernel, maps.data<uint8_t>(), labels.data<uint8_t>(), rows,
         image_rows, height, width, classes, boundaries.data<uint8_t>());
}

void BoundaryF(Stream& stream, const Array& maps, const Array& truth, int classes, const Disc& disc, ClassSet set,
               Array& scores) {
  const int64_t count = scores.size(), images = maps.shape()[1], pixels = maps.shape()[2] * maps.shape()[3];
  if (count == 0) return;
  const int64_t chunks = (pixels + kChunk - 1) / kChunk;
  Array counts = Array::Zeros({count, classes, 4}, autograd::kInt32);
  if (chunks > 0) {
    Launch("BoundaryF", stream, static_cast<unsigned>(count * chunks), kBlock, CountKernel, maps.data<uint8_t>(),
           truth.data<uint8_t>(), images, maps.shape()[2], maps.shape()[3], chunks, classes, disc,
           static_cast<BoundaryCounts*>(counts.raw()));
  }
  Launch("BoundaryF", stream, Blocks(count, kWarp), kWarp, MeansKernel,
         static_cast<const BoundaryCounts*>(counts.raw()), count, classes, set, scores.data<float>());
}

}  // namespace seg::cuda
