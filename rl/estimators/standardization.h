#pragma once

// The numbers that advantages are standardised with, for every backend.

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/math.h"

namespace rl {

// Of float64 [3] this is the layout.
struct Moments {
  double count = 0, sum = 0, sum_of_squares = 0;

  HOST_DEVICE double mean() const { return count > 0 ? sum / count : 0; }
  // The biased one: divided by count.
  HOST_DEVICE double standard_deviation() const {
    if (count <= 0) return 0;
    const double variance = sum_of_squares / count - mean() * mean();
    return variance > 0 ? autograd::math::Sqrt(variance) : 0;
  }
};

// Added to a standard deviation before dividing by it.
inline constexpr double kDeviationFloor = 1e-6;

}  // namespace rl
