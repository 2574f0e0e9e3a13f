#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace autograd {

// Over the positions of each image at which the maps differ: covariance float64 [b, n, n], Σ_p (1[a_i = a_j]·π(a_i) − π(a_i)·π(a_j)), of which
// i >= j is filled in, and expected float64 [b, n], Σ_p π(a_i). In an order that does not depend on threads.
KERNEL(ScoreCovariance, void(Stream&, const Array& actions, const Array& log_probability, const Array& valid,
                             Array& covariance, Array& expected));

// The covariance becomes K⁻¹ and `expected` K⁻¹(R − m), in place; delta float64 [b] is δ, 0 where an image has no evidence.
KERNEL(InvertScoreCovariance, void(Stream&, const Array& rewards, Array& covariance, Array& expected, Array& delta));

// advantages float32 [n, b, ..], as posterior_credit.h has them.
KERNEL(PosteriorCredit, void(Stream&, const Array& actions, const Array& log_probability, const Array& valid,
                             const Array& inverse, const Array& weighted, const Array& delta, Array& advantages));

// For both backends.
namespace posterior {

constexpr double kNoise = 0.1;  // η
constexpr double kFlat = 100;   // variance of μ, in s²
constexpr double kLeastSpread = 0.25;
constexpr double kLargestRatio = 20;  // of log-likelihoods

struct Scale {
  double delta, variance;  // δ and s²
};

// From Σ R and Σ R² over the n maps, and of the matrix and vector above: the mean diagonal, the mean of all n² entries, and the vector's variance.
HOST_DEVICE inline Scale ScaleOf(double maps, double sum, double squares, double diagonal, double mean,
                                 double spread_of_means) {
  const double variance = maps > 1 ? (squares - sum * sum / maps) / (maps - 1) : 0;
  // Rounding alone is no evidence.
  if (!(variance > 1e-12 * squares / maps)) return {0, 0};
  const double spread = diagonal - mean + spread_of_means;
  const double divisor = spread < kLeastSpread ? kLeastSpread : spread;
  return {math::Sqrt((1 - kNoise) * variance / divisor), variance};
}

HOST_DEVICE inline double Factor(double log_ratio) {
  return math::Exp(log_ratio < -kLargestRatio ? -kLargestRatio
                                              : (log_ratio > kLargestRatio ? kLargestRatio : log_ratio));
}

}  // namespace posterior
}  // namespace autograd
