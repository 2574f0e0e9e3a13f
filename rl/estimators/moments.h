#pragma once

// Count, sum and sum of squares over the global batch: what synchronised normalisation of advantages needs.

#include <cmath>

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"

namespace rl {

struct Moments {
  double count = 0, sum = 0, sum_of_squares = 0;

  double mean() const { return count > 0 ? sum / count : 0; }
  // The biased one: divided by count.
  double standard_deviation() const {
    if (count <= 0) return 0;
    const double variance = sum_of_squares / count - mean() * mean();
    return variance > 0 ? std::sqrt(variance) : 0;
  }
};

// Which entries count.
enum class Entries { kAll, kNonZero };

// Added to a standard deviation before dividing by it.
inline constexpr double kDeviationFloor = 1e-6;

// Moments of values float32 [n, b, ..] (n maps of b images) over the entries where valid uint8 [b, ..] is not 0; without
// `valid` (an undefined Array), over all. With a collective, over the values of every rank; nullptr keeps to this one.
// Everything is summed in float64, image by image, and images are added in order, rank 0's first: R ranks with b images each
// get the same bits as one rank with R·b images. The number of images may differ between ranks; n and the rest not.
Moments MomentsOf(const autograd::Array& values, const autograd::Array& valid, Entries entries,
                  autograd::Collective* collective);

}  // namespace rl
