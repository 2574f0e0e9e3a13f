#pragma once

// Policy-gradient objectives for any policy, entry by entry: average the result over what should count. For categorical maps
// categorical_surrogate.h computes the same in one pass over the logits.

#include "autograd/core/tape.h"

namespace rl {

// log(π/π_old) is held in [−20, 20] before it is exponentiated, so that no ratio overflows.
inline constexpr double kLargestLogRatio = 20;

// −A·log π: REINFORCE (Williams, 1992). `advantage` has log_probability's shape and dtype and is a constant.
autograd::Variable PolicyGradient(const autograd::Variable& log_probability, const autograd::Array& advantage);

// −min(ρ·A, clip(ρ, 1 − clip, 1 + clip_high)·A) with ρ = π/π_old: PPO (Schulman et al., arXiv:1707.06347, equation 7), without the
// mean. A negative clip_high means `clip`. Shapes and dtypes as above.
autograd::Variable ClippedSurrogate(const autograd::Variable& log_probability,
                                    const autograd::Array& old_log_probability, const autograd::Array& advantage,
                                    double clip, double clip_high = -1);

}  // namespace rl
