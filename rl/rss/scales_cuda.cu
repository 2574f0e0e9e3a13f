#include "autograd/core/launch_cuda.h"
#include "rl/rss/scales_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::Launch;

namespace {

// One thread a pixel; those of a cell write the same byte.
__global__ void ValidCellsKernel(const uint8_t* valid, int64_t size, int64_t height, int64_t width, int64_t grid_height,
                                 int64_t grid_width, uint8_t* cells) {
  for (int64_t i = GridIndex(); i < size; i += GridStride()) {
    if (valid[i] == 0) continue;
    const int64_t row = i / width, x = i % width, image = row / height, y = row % height;
    cells[(image * grid_height + y * grid_height / height) * grid_width + x * grid_width / width] = 1;
  }
}

}  // namespace

void ValidCells(Stream& stream, const Array& valid, Array& cells) {
  if (cells.size() > 0) stream.FillZero(cells.raw(), cells.bytes());
  if (valid.size() == 0) return;
  Launch("ValidCells", stream, Blocks(valid.size()), kBlock, ValidCellsKernel, valid.data<uint8_t>(), valid.size(),
         valid.shape()[1], valid.shape()[2], cells.shape()[1], cells.shape()[2], cells.data<uint8_t>());
}

}  // namespace rl::cuda
