#include "autograd/core/launch_cuda.h"
#include "rl/estimators/group_relative_advantage_kernels.h"

namespace rl::cuda {

using autograd::Array;
using autograd::Stream;
using autograd::cuda::Blocks;
using autograd::cuda::GridIndex;
using autograd::cuda::GridStride;
using autograd::cuda::kWarp;
using autograd::cuda::Launch;

namespace {

// A handful of numbers: one thread an image.
__global__ void GroupsKernel(const float* rewards, int64_t maps, int64_t images, double divisor, float* advantages) {
  for (int64_t image = GridIndex(); image < images; image += GridStride())
    StandardizeGroup(rewards + image, maps, images, divisor, advantages + image);
}

}  // namespace

void GroupRelativeAdvantage(Stream& stream, const Array& rewards, double divisor, Array& advantages) {
  if (rewards.size() == 0) return;
  const int64_t images = rewards.shape()[1];
  Launch("GroupRelativeAdvantage", stream, Blocks(images, kWarp), kWarp, GroupsKernel, rewards.data<float>(),
         rewards.shape()[0], images, divisor, advantages.data<float>());
}

}  // namespace rl::cuda
