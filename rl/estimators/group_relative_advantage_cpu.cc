#include "rl/estimators/group_relative_advantage_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::Stream;

void GroupRelativeAdvantage(Stream&, const Array& rewards, double divisor, Array& advantages) {
  const int64_t maps = rewards.shape()[0], images = rewards.shape()[1];
  for (int64_t image = 0; image < images; ++image)
    StandardizeGroup(rewards.data<float>() + image, maps, images, divisor, advantages.data<float>() + image);
}

}  // namespace rl::cpu
