#pragma once

// PPO's objective for any policy, entry by entry: average the result over what should count
// (rl/estimators/masked_mean.h). An entry is whatever has one log-probability: a pixel's class, or the whole latent of
// an image (DiagonalGaussian). For categorical maps categorical_surrogate.h computes the mean of the same in one pass
// over the logits.

#include "autograd/core/tape.h"

namespace rl {

// log(π/π_old) is held in [−20, 20] before it is exponentiated, so that no ratio overflows.
inline constexpr double kLargestLogRatio = 20;

struct ClippedSurrogateOptions {
  double clip = 0.2;                            // the ratio's bounds are 1 − clip and 1 + clip_high; 0 <= clip <= 1
  double clip_high = -1;                        // negative: as clip
  double largest_log_ratio = kLargestLogRatio;  // L > 0: log ρ is held in [−L, L], and at the ends no gradient flows
};

// −min(ρ·A, clip(ρ, 1 − clip, 1 + clip_high)·A) with ρ = π/π_old: PPO (Schulman et al., arXiv:1707.06347, equation 7),
// without the mean. `old_log_probability` and `advantage` have log_probability's shape and dtype and are constants.
// `log_ratio`, if asked for, receives log π − log π_old as it was before it was bounded, for ReportRatios.
autograd::Variable ClippedSurrogate(const autograd::Variable& log_probability,
                                    const autograd::Array& old_log_probability, const autograd::Array& advantage,
                                    const ClippedSurrogateOptions& options = {}, autograd::Array* log_ratio = nullptr);

// Which regime an objective is in. Ratios near 1 learn; where most entries are clipped or bounded, few do.
struct RatioReport {
  double smallest = 1, largest = 1;  // of the ratios, bounded as they were used; NaN when one is
  double clipped = 0;                // share of the entries whose clip(ρ)·A was the smaller
  double bounded = 0;                // share of the entries whose log ρ was outside [−L, L]
};

// Of what ClippedSurrogate gave and was given. Waits for the device.
RatioReport ReportRatios(const autograd::Array& log_ratio, const autograd::Array& advantage,
                         const ClippedSurrogateOptions& options = {});

}  // namespace rl
