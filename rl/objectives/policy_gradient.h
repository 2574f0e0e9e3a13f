#pragma once

// The policy gradient of any policy, entry by entry: average the result over what should count
// (rl/estimators/masked_mean.h). For categorical maps categorical_surrogate.h computes the mean of the same in one pass
// over the logits.

#include "autograd/core/tape.h"

namespace rl {

// −A·log π(a): REINFORCE (Williams, 1992). `advantage` has log_probability's shape and dtype and is a constant.
autograd::Variable PolicyGradient(const autograd::Variable& log_probability, const autograd::Array& advantage);

// −A·log π(a) − entropy_weight·H(π): the policy's and the entropy's terms of A3C (Mnih et al., arXiv:1602.01783,
// section 4, with the signs that descend). `entropy` has log_probability's dtype and broadcasts to its shape: [b, ..]
// for [n, b, ..].
autograd::Variable PolicyGradient(const autograd::Variable& log_probability, const autograd::Array& advantage,
                                  const autograd::Variable& entropy, double entropy_weight);

}  // namespace rl
