#include "autograd/core/launch_cuda.h"
#include "seg/rewards/label_batch_kernels.h"

namespace seg::cuda {
namespace {

using namespace autograd::cuda;  // NOLINT: what every kernel file shares
using autograd::Array;
using autograd::Stream;

constexpr int kWarps = kBlock / kWarp;
constexpr int kCounters = 256;       // for every byte
constexpr int64_t kChunk = 1 << 12;  // cells of a map, or pixels of an image, that one block counts

// Everything is counted in integers, with atomics: their order does not matter.

// One warp a cell, its counters in shared memory: each label is read once and each histogram written once.
__global__ void __launch_bounds__(kBlock)
    CellClassesKernel(const uint8_t* labels, int64_t images, int64_t height, int64_t width, int64_t grid_height,
                      int64_t grid_width, int classes, int32_t* histograms) {
  SHARED_MEMORY(counters, int[kWarps][kCounters]);
  int* const own = counters[threadIdx.x / kWarp];
  const int lane = threadIdx.x % kWarp;
  const int64_t cells = images * grid_height * grid_width;
  for (int64_t cell = GridIndex() / kWarp; cell < cells; cell += GridStride() / kWarp) {
    const int64_t column = cell % grid_width, row = cell / grid_width % grid_height;
    const int64_t image = cell / (grid_width * grid_height);
    // The pixels whose ⌊y·grid_height/height⌋ is `row`.
    const int64_t top = (row * height + grid_height - 1) / grid_height;
    const int64_t bottom = ((row + 1) * height + grid_height - 1) / grid_height;
    const int64_t left = (column * width + grid_width - 1) / grid_width;
    const int64_t right = ((column + 1) * width + grid_width - 1) / grid_width;
    const int across = static_cast<int>(right - left), pixels = across * static_cast<int>(bottom - top);
    for (int k = lane; k <= classes; k += kWarp) own[k] = 0;
    __syncwarp();
    const uint8_t* const corner = labels + (image * height + top) * width + left;
    int counted = 0;
    for (int i = lane; i < pixels; i += kWarp) {
      const int label = corner[i / across * width + i % across];
      if (label >= classes) continue;
      atomicAdd(&own[label], 1);
      ++counted;
    }
    counted = WarpSum(counted);
    if (lane == 0) own[classes] = counted;
    __syncwarp();
    for (int k = lane; k <= classes; k += kWarp) histograms[cell * (classes + 1) + k] = own[k];
    __syncwarp();
  }
}

// Block (chunk, image).
__global__ void __launch_bounds__(kBlock)
    ImageClassesKernel(const uint8_t* labels, int64_t pixels, int64_t chunks, int classes, int32_t* truth) {
  SHARED_MEMORY(counters, int[kCounters]);
  const int64_t image = blockIdx.x / chunks, first = blockIdx.x % chunks * kChunk, last = min(pixels, first + kChunk);
  counters[threadIdx.x] = 0;
  __syncthreads();
  for (int64_t i = first + threadIdx.x; i < last; i += kBlock) atomicAdd(&counters[labels[image * pixels + i]], 1);
  __syncthreads();
  const int k = threadIdx.x;
  if (k < classes && counters[k] > 0) atomicAdd(&truth[image * classes + k], counters[k]);
}

// What one cell that shows class k says: pixels that are not void, and those of class k.
struct CellTruth {
  const int32_t* histograms;
  int classes;
  __device__ void Count(int64_t cell, int k, int& predicted, int& hits) const {
    const int32_t* const own = histograms + cell * (classes + 1);
    predicted = own[classes];
    hits = own[k];
  }
};
struct PixelTruth {
  const uint8_t* labels;
  int classes;
  __device__ void Count(int64_t pixel, int k, int& predicted, int& hits) const {
    predicted = labels[pixel] < classes ? 1 : 0;
    hits = labels[pixel] == k ? 1 : 0;
  }
};

// counts [map, 2, classes] += pixels given to each class, and those of them that are right. Block (chunk, map).
template <typename Truth>
__global__ void __launch_bounds__(kBlock)
    CountMapsKernel(const uint8_t* maps, int64_t images, int64_t cells, int64_t chunks, Truth truth, int32_t* counts) {
  SHARED_MEMORY(counters, int[2][kCounters]);
  const int64_t map = blockIdx.x / chunks, image = map % images;
  const int64_t first = blockIdx.x % chunks * kChunk, last = min(cells, first + kChunk);
  counters[0][threadIdx.x] = 0;
  counters[1][threadIdx.x] = 0;
  __syncthreads();
  for (int64_t cell = first + threadIdx.x; cell < last; cell += kBlock) {
    const int k = maps[map * cells + cell];
    if (k >= truth.classes) continue;
    int predicted, hits;
    truth.Count(image * cells + cell, k, predicted, hits);
    if (predicted > 0) atomicAdd(&counters[0][k], predicted);
    if (hits > 0) atomicAdd(&counters[1][k], hits);
  }
  __syncthreads();
  const int k = threadIdx.x;
  if (k >= truth.classes) return;
  int32_t* const out = counts + map * 2 * truth.classes;
  if (counters[0][k] > 0) atomicAdd(&out[k], counters[0][k]);
  if (counters[1][k] > 0) atomicAdd(&out[truth.classes + k], counters[1][k]);
}

// One thread a map: the classes are added in order, as MeanOverClasses does.
__global__ void MeansKernel(const int32_t* counts, const int32_t* truth, int64_t maps, int64_t images, int classes,
                            ClassSet set, float* mean_iou, float* mean_dice) {
  for (int64_t map = GridIndex(); map < maps; map += GridStride()) {
    const int32_t* const own = counts + map * 2 * classes;
    ScoreSum iou, dice;
    for (int k = 0; k < classes; ++k) {
      const ClassCounts counts_of_class{truth[map % images * classes + k], own[k], own[classes + k]};
      if (!counts_of_class.In(set)) continue;
      iou.Add(counts_of_class.Iou());
      dice.Add(counts_of_class.Dice());
    }
    mean_iou[map] = static_cast<float>(iou.counted > 0 ? iou.Mean() : 0.0);
    mean_dice[map] = static_cast<float>(dice.counted > 0 ? dice.Mean() : 0.0);
  }
}

template <typename Truth>
void ScoreMaps(const char* operation, Stream& stream, const Array& maps, const Array& class_counts, ClassSet set,
               const Truth& truth, Array& mean_iou, Array& mean_dice) {
  const int64_t count = mean_iou.size(), images = maps.shape()[1], cells = maps.shape()[2] * maps.shape()[3];
  if (count == 0) return;
  const int64_t chunks = (cells + kChunk - 1) / kChunk, classes = class_counts.shape()[1];
  Array counts = Array::Zeros({count, 2, classes}, autograd::kInt32);
  Launch(operation, stream, static_cast<unsigned>(count * chunks), kBlock, CountMapsKernel<Truth>, maps.data<uint8_t>(),
         images, cells, chunks, truth, counts.data<int32_t>());
  Launch(operation, stream, Blocks(count, kWarp), kWarp, MeansKernel, counts.data<int32_t>(),
         class_counts.data<int32_t>(), count, images, truth.classes, set, mean_iou.data<float>(),
         mean_dice.data<float>());
}

// One thread a pixel, for all maps. Bound by bandwidth.
__global__ void PixelMatchKernel(const uint8_t* labels, const uint8_t* actions, int64_t maps, int64_t pixels,
                                 float* rewards, uint8_t* valid) {
  for (int64_t i = GridIndex(); i < pixels; i += GridStride()) {
    const uint8_t label = labels[i];
    const bool counts = label != kVoid;
    valid[i] = counts ? 1 : 0;
    for (int64_t map = 0; map < maps; ++map)
      rewards[map * pixels + i] = counts && actions[map * pixels + i] == label ? 1.0f : 0.0f;
  }
}

}  // namespace

void CountCellClasses(Stream& stream, const Array& labels, Array& histograms) {
  const int64_t cells = histograms.size() / histograms.shape()[3];
  if (cells == 0) return;
  Launch("CountCellClasses", stream, Blocks(cells * kWarp), kBlock, CellClassesKernel, labels.data<uint8_t>(),
         labels.shape()[0], labels.shape()[1], labels.shape()[2], histograms.shape()[1], histograms.shape()[2],
         histograms.shape()[3] - 1, histograms.data<int32_t>());
}

void CountImageClasses(Stream& stream, const Array& labels, Array& truth) {
  if (truth.size() > 0) stream.FillZero(truth.raw(), truth.bytes());
  if (labels.size() == 0) return;
  const int64_t pixels = labels.shape()[1] * labels.shape()[2], chunks = (pixels + kChunk - 1) / kChunk;
  Launch("CountImageClasses", stream, static_cast<unsigned>(labels.shape()[0] * chunks), kBlock, ImageClassesKernel,
         labels.data<uint8_t>(), pixels, chunks, truth.shape()[1], truth.data<int32_t>());
}

void ScoreCells(Stream& stream, const Array& maps, const Array& histograms, const Array& truth, ClassSet set,
                Array& mean_iou, Array& mean_dice) {
  ScoreMaps("ScoreCells", stream, maps, truth, set,
            CellTruth{histograms.data<int32_t>(), static_cast<int>(truth.shape()[1])}, mean_iou, mean_dice);
}

void ScorePixels(Stream& stream, const Array& maps, const Array& labels, const Array& truth, ClassSet set,
                 Array& mean_iou, Array& mean_dice) {
  ScoreMaps("ScorePixels", stream, maps, truth, set,
            PixelTruth{labels.data<uint8_t>(), static_cast<int>(truth.shape()[1])}, mean_iou, mean_dice);
}

void PixelMatch(Stream& stream, const Array& labels, const Array& actions, Array& rewards, Array& valid) {
  if (labels.size() == 0) return;
  Launch("PixelMatch", stream, Blocks(labels.size()), kBlock, PixelMatchKernel, labels.data<uint8_t>(),
         actions.data<uint8_t>(), actions.shape()[0], labels.size(), rewards.data<float>(), valid.data<uint8_t>());
}

}  // namespace seg::cuda
