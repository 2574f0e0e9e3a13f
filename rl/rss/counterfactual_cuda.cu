#include "autograd/core/launch_cuda.h"
#include "rl/rss/counterfactual_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::RandomKey;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::Launch;

namespace {

// One thread a cell: y[map, image, cell] is the map's own draw where takes(map, counter, cell) says so, the base's
// elsewhere.
template <typename Takes>
__global__ void ResampleKernel(const uint8_t* draws, int64_t images, int64_t cells, int64_t size, int64_t first_image,
                               Takes takes, uint8_t* y) {
  for (int64_t i = GridIndex(); i < size; i += GridStride()) {
    const int64_t index = i / cells, map = index / images, image = index % images, cell = i % cells;
    const bool own = map == 0 || takes(resampling::MapCounter(map, first_image + image), cell);
    y[i] = draws[own ? i : image * cells + cell];
  }
}

struct CellChoice {
  RandomKey key;
  double rate;
  __device__ bool operator()(uint64_t counter, int64_t cell) const {
    return resampling::TakesCell(key.Now().Split(counter), cell, rate);
  }
};

struct BlockChoice {
  RandomKey key;
  int64_t height, width, block_height, block_width;
  __device__ bool operator()(uint64_t counter, int64_t cell) const {
    const resampling::Corner corner =
        resampling::BlockCorner(key.Now(), counter, height - block_height + 1, width - block_width + 1);
    const int64_t row = cell / width - corner.top, column = cell % width - corner.left;
    return row >= 0 && row < block_height && column >= 0 && column < block_width;
  }
};

template <typename Choice>
void Resample(const char* operation, Stream& stream, const Array& draws, int64_t first_image, const Choice& choice,
              Array& y) {
  if (draws.size() == 0) return;
  Launch(operation, stream, Blocks(draws.size()), kBlock, ResampleKernel<Choice>, draws.data<uint8_t>(),
         draws.shape()[1], draws.shape()[2] * draws.shape()[3], draws.size(), first_image, choice, y.data<uint8_t>());
}

}  // namespace

void ResampleCells(Stream& stream, const Array& draws, double rate, const RandomKey& key, int64_t first_image,
                   Array& y) {
  Resample("ResampleCells", stream, draws, first_image, CellChoice{key, rate}, y);
}

void ResampleBlock(Stream& stream, const Array& draws, int64_t block_height, int64_t block_width, const RandomKey& key,
                   int64_t first_image, Array& y) {
  Resample("ResampleBlock", stream, draws, first_image,
           BlockChoice{key, draws.shape()[2], draws.shape()[3], block_height, block_width}, y);
}

}  // namespace rl::cuda
