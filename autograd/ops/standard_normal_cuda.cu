#include "autograd/core/launch_cuda.h"
#include "autograd/ops/standard_normal_functions.h"
#include "autograd/ops/standard_normal_kernels.h"

namespace autograd::cuda {
namespace {

// One thread a draw of four numbers. Bound by bandwidth.
template <typename T>
__global__ void StandardNormalKernel(RandomKey key, int64_t first, int64_t draws, int64_t size, T* y) {
  const RandomKey now = key.Now();
  const int64_t begun = first % 4;  // elements of the first draw that belong to another rank
  for (int64_t draw = GridIndex(); draw < draws; draw += GridStride()) {
    float numbers[4];
    normal::Four(now, static_cast<uint64_t>(first / 4 + draw), numbers);
    for (int64_t k = 0; k < 4; ++k) {
      const int64_t i = 4 * draw - begun + k;
      if (i >= 0 && i < size) y[i] = static_cast<T>(static_cast<ComputeType<T>>(numbers[k]));
    }
  }
}

}  // namespace

void StandardNormal(Stream& stream, const RandomKey& key, int64_t first, Array& y) {
  if (y.size() == 0) return;
  const int64_t draws = (first % 4 + y.size() + 3) / 4;
  VisitFloating("StandardNormal", y.dtype(), [&]<typename T>(T) {
    Launch("StandardNormal", stream, Blocks(draws), kBlock, StandardNormalKernel<T>, key, first, draws, y.size(),
           y.data<T>());
  });
}

}  // namespace autograd::cuda
