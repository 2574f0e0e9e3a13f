#include "autograd/core/launch_cuda.h"
#include "rl/estimators/moments_kernels.h"
#include "rl/estimators/standardization.h"

namespace rl::cuda {

using autograd::Array;
using autograd::kFloat64;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::kWarp;
using autograd::cuda::Launch;
using autograd::cuda::WarpSum;

namespace {

// Positions of an image that a block sums over all maps: the cuts, and so the order, depend on the extents of one image
// alone.
constexpr int64_t kChunk = 1 << 12;

// partial[image, chunk] = (count, Σx, Σx²). Bound by bandwidth.
__global__ void __launch_bounds__(kBlock)
    PartialMomentsKernel(const float* values, const uint8_t* valid, bool non_zero, int64_t maps, int64_t images,
                         int64_t size, int64_t chunks, double* partial) {
  SHARED_MEMORY(shared, double[kBlock / kWarp][3]);
  for (int64_t task = blockIdx.x; task < images * chunks; task += gridDim.x) {
    const int64_t image = task / chunks, first = task % chunks * kChunk, last = min(size, first + kChunk);
    double sums[3] = {};
    for (int64_t i = first + threadIdx.x; i < last; i += kBlock) {
      if (valid != nullptr && valid[image * size + i] == 0) continue;
      for (int64_t map = 0; map < maps; ++map) {
        const float x = values[(map * images + image) * size + i];
        if (non_zero && x == 0.0f) continue;
        sums[0] += 1;
        sums[1] += static_cast<double>(x);
        sums[2] += static_cast<double>(x) * static_cast<double>(x);
      }
    }
    for (int k = 0; k < 3; ++k) {
      const double sum = WarpSum(sums[k]);
      if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp][k] = sum;
    }
    __syncthreads();
    if (threadIdx.x < 3) {
      double sum = 0;
      for (int warp = 0; warp < kBlock / kWarp; ++warp) sum += shared[warp][threadIdx.x];
      partial[task * 3 + threadIdx.x] = sum;
    }
    __syncthreads();
  }
}

// sums[row, k] = Σ partial[row, part, k] in order: one warp for each number.
__global__ void AddPartsKernel(const double* partial, int64_t rows, int64_t parts, double* sums) {
  const int lane = threadIdx.x % kWarp;
  for (int64_t task = GridIndex() / kWarp; task < rows * 3; task += GridStride() / kWarp) {
    const int64_t row = task / 3, k = task % 3;
    double sum = 0;
    for (int64_t part = lane; part < parts; part += kWarp) sum += partial[(row * parts + part) * 3 + k];
    sum = WarpSum(sum);
    if (lane == 0) sums[task] = sum;
  }
}

// In the order of the images, whatever their number: one lane for each number.
__global__ void AddImagesKernel(const double* sums, int64_t images, double* moments) {
  if (threadIdx.x >= 3) return;
  double sum = 0;
  for (int64_t image = 0; image < images; ++image) sum += sums[image * 3 + threadIdx.x];
  moments[threadIdx.x] = sum;
}

// One thread a position, for all maps. Bound by bandwidth.
__global__ void StandardizeKernel(const float* x, const uint8_t* valid, const double* moments, bool centre,
                                  int64_t maps, int64_t size, float* y) {
  const Moments over{moments[0], moments[1], moments[2]};
  const double mean = centre ? over.mean() : 0.0, scale = 1.0 / (over.standard_deviation() + kDeviationFloor);
  for (int64_t i = GridIndex(); i < size; i += GridStride()) {
    const bool counts = valid == nullptr || valid[i] != 0;
    for (int64_t map = 0; map < maps; ++map) {
      const float value = static_cast<float>((static_cast<double>(x[map * size + i]) - mean) * scale);
      y[map * size + i] = counts ? value : 0.0f;
    }
  }
}

const uint8_t* MaskOf(const Array& valid) { return valid.defined() ? valid.data<uint8_t>() : nullptr; }

}  // namespace

void ImageMoments(Stream& stream, const Array& values, const Array& valid, bool non_zero, Array& sums) {
  const int64_t maps = values.shape()[0], images = values.shape()[1];
  if (images == 0) return;
  const int64_t size = maps == 0 ? 0 : values.size() / (maps * images);
  const int64_t chunks = std::max<int64_t>(1, (size + kChunk - 1) / kChunk);
  Array partial = chunks == 1 ? sums : Array::Empty({images, chunks, 3}, kFloat64);
  Launch("ImageMoments", stream, Blocks(images * chunks, 1), kBlock, PartialMomentsKernel, values.data<float>(),
         MaskOf(valid), non_zero, maps, images, size, chunks, partial.data<double>());
  if (chunks == 1) return;
  Launch("ImageMoments", stream, Blocks(images * 3 * kWarp), kBlock, AddPartsKernel, partial.data<double>(), images,
         chunks, sums.data<double>());
}

void AddImageMoments(Stream& stream, const Array& sums, Array& moments) {
  Launch("AddImageMoments", stream, 1, kWarp, AddImagesKernel, sums.data<double>(), sums.shape()[0],
         moments.data<double>());
}

void Standardize(Stream& stream, const Array& x, const Array& valid, const Array& moments, bool centre, Array& y) {
  if (x.size() == 0) return;
  const int64_t maps = x.shape()[0], size = x.size() / maps;
  Launch("Standardize", stream, Blocks(size), kBlock, StandardizeKernel, x.data<float>(), MaskOf(valid),
         moments.data<double>(), centre, maps, size, y.data<float>());
}

}  // namespace rl::cuda
