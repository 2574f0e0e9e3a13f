#pragma once

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"
#include "rl/estimators/standardization.h"

namespace rl {

// advantages float32 [n, b] from rewards float32 [n, b]: (R − mean)/(σ + 1e-6) over the n maps of each image, where σ²
// is the sum of squares over `divisor` (0 where that is not positive).
KERNEL(GroupRelativeAdvantage,
       void(autograd::Stream&, const autograd::Array& rewards, double divisor, autograd::Array& advantages));

// One image, for both backends: `maps` rewards, `stride` apart.
HOST_DEVICE inline void StandardizeGroup(const float* rewards, int64_t maps, int64_t stride, double divisor,
                                         float* advantages) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < maps; ++i) sum += rewards[i * stride];
  const double mean = sum / static_cast<double>(maps);
  for (int64_t i = 0; i < maps; ++i) squares += (rewards[i * stride] - mean) * (rewards[i * stride] - mean);
  const double sigma = divisor > 0 ? autograd::math::Sqrt(squares / divisor) : 0;
  for (int64_t i = 0; i < maps; ++i)
    advantages[i * stride] = static_cast<float>((rewards[i * stride] - mean) / (sigma + kDeviationFloor));
}

}  // namespace rl
