#pragma once

// The statistics of a normalisation from sums in float64, for both backends.

#include <cmath>

#include "autograd/runtime/host_device.h"

namespace autograd {

// Of `count` values, from their sum and the sum of their squares; the variance is the biased one. Zero where there is
// no value.
struct MeanAndVariance {
  HOST_DEVICE MeanAndVariance(double sum, double squares, double count) {
    const double values = count > 1 ? count : 1;
    mean = sum / values;
    variance = squares / values - mean * mean;
    if (variance < 0) variance = 0;
  }
  double mean, variance;
};

HOST_DEVICE inline double InverseDeviation(double variance, double epsilon) { return 1 / sqrt(variance + epsilon); }

}  // namespace autograd
