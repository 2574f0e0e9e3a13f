#include "autograd/core/launch_cuda.h"
#include "rl/estimators/pairwise_spatial_difference_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kBlock;
using autograd::cuda::Launch;

namespace {

constexpr int kOwn = 8;  // maps whose sums a thread keeps in registers

// One thread a position, all pairs of maps: n²/8 loads that the first-level cache answers, and no table of classes.
// Differences and sums of float32 rewards are exact in float64, as on the CPU, so what cancels is exactly 0.
__global__ void __launch_bounds__(kBlock)
    DifferencesKernel(const float* rewards, const uint8_t* actions, const uint8_t* valid, int64_t maps, int64_t images,
                      int64_t positions, double partners, float* advantages) {
  const int64_t pixels = positions / images;
  for (int64_t p = GridIndex(); p < positions; p += GridStride()) {
    const float* const reward = rewards + p / pixels;
    const bool counts = valid == nullptr || valid[p] != 0;
    for (int64_t first = 0; first < maps; first += kOwn) {
      int own[kOwn];
      double own_reward[kOwn], sum[kOwn];
      for (int k = 0; k < kOwn; ++k) {
        const int64_t i = min(first + k, maps - 1);
        own[k] = actions[i * positions + p];
        own_reward[k] = static_cast<double>(reward[i * images]);
        sum[k] = 0;
      }
      for (int64_t j = 0; counts && j < maps; ++j) {
        const int other = actions[j * positions + p];
        const double other_reward = static_cast<double>(reward[j * images]);
        for (int k = 0; k < kOwn; ++k) sum[k] += own[k] != other ? own_reward[k] - other_reward : 0.0;
      }
      for (int k = 0; k < kOwn && first + k < maps; ++k)
        advantages[(first + k) * positions + p] = static_cast<float>(sum[k] * partners);
    }
  }
}

}  // namespace

void PairwiseSpatialDifference(Stream& stream, const Array& rewards, const Array& actions, const Array& valid,
                               Array& advantages) {
  if (actions.size() == 0) return;
  const int64_t maps = actions.shape()[0], images = actions.shape()[1], positions = actions.size() / maps;
  const double partners = maps > 1 ? 1.0 / static_cast<double>(maps - 1) : 0.0;
  Launch("PairwiseSpatialDifference", stream, Blocks(positions), kBlock, DifferencesKernel, rewards.data<float>(),
         actions.data<uint8_t>(), valid.defined() ? valid.data<uint8_t>() : nullptr, maps, images, positions, partners,
         advantages.data<float>());
}

}  // namespace rl::cuda
