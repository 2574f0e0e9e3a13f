#pragma once

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace rl {

// Over the positions of each image at which the maps differ: covariance float64 [b, n, n], Σ_p (1[a_i = a_j]·π(a_i) −
// π(a_i)·π(a_j)), of which i >= j is filled in, and expected float64 [b, n], Σ_p π(a_i). In an order that does not
// depend on threads.
KERNEL(ScoreCovariance, void(autograd::Stream&, const autograd::Array& actions, const autograd::Array& log_probability,
                             const autograd::Array& valid, autograd::Array& covariance, autograd::Array& expected));

// The covariance becomes K⁻¹ and `expected` K⁻¹(R − m), in place; delta float64 [b] is δ, 0 where an image has no
// evidence.
KERNEL(InvertScoreCovariance, void(autograd::Stream&, const autograd::Array& rewards, autograd::Array& covariance,
                                   autograd::Array& expected, autograd::Array& delta));

// advantages float32 [n, b, ..], as posterior_credit.h has them.
KERNEL(PosteriorCredit,
       void(autograd::Stream&, const autograd::Array& actions, const autograd::Array& log_probability,
            const autograd::Array& valid, const autograd::Array& inverse, const autograd::Array& weighted,
            const autograd::Array& delta, autograd::Array& advantages));

// For both backends.
namespace posterior {

constexpr double kNoise = 0.1;         // η
constexpr double kFlat = 100;          // variance of μ, in s²
constexpr double kLeastSpread = 0.25;  // of the scores in δ²
constexpr double kLargestRatio = 20;   // of log-likelihoods

struct Summary {
  double delta, variance;  // δ and s²; 0 where there is no evidence
  double mean_score, mean_expected;
};

// Of an image: reward[i·stride] for its n maps, and its ScoreCovariance.
HOST_DEVICE inline Summary Summarize(const float* reward, int64_t stride, int64_t n, const double* covariance,
                                     const double* expected) {
  const auto count = static_cast<double>(n);
  double sum = 0, squares = 0, diagonal = 0, all = 0, means = 0, squared_means = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double score = static_cast<double>(reward[i * stride]), variance = covariance[i * n + i];
    sum += score;
    squares += score * score;
    means += expected[i] / count;
    squared_means += expected[i] * expected[i] / count;
    diagonal += variance / count;
    for (int64_t j = 0; j < i; ++j) all += 2 * covariance[i * n + j] / (count * count);
    all += variance / (count * count);
  }
  Summary summary = {0, 0, 0, 0};
  const double variance = n > 1 ? (squares - sum * sum / count) / (count - 1) : 0;
  // Rounding alone is no evidence.
  if (!(variance > 1e-12 * squares / count)) return summary;
  const double spread = diagonal - all + (squared_means - means * means);
  summary.delta = autograd::math::Sqrt((1 - kNoise) * variance / (spread < kLeastSpread ? kLeastSpread : spread));
  summary.variance = variance;
  summary.mean_score = sum / count;
  summary.mean_expected = means;
  return summary;
}

HOST_DEVICE inline double Factor(double log_ratio) {
  return autograd::math::Exp(log_ratio < -kLargestRatio ? -kLargestRatio
                                                        : (log_ratio > kLargestRatio ? kLargestRatio : log_ratio));
}

}  // namespace posterior
}  // namespace rl
