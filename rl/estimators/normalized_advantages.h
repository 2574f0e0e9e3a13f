#pragma once

// Advantages from rewards of single pixels, normalised over the whole batch, and SyncAN (RSS, section 3.1.2): the same
// over every rank's batch, as synchronised batch normalisation does for activations.

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "rl/estimators/moments.h"

namespace rl {

// A = (r − mean)/(σ + 1e-6) where valid, 0 elsewhere: rewards float32 [n, b, ..], valid uint8 [b, ..] or undefined.
// Mean and (biased) standard deviation are over all n samples of all valid pixels of all images, of every rank when a
// collective is given (SyncAN) and of this rank with nullptr. `moments`, if asked for, receives what was used, as
// MomentsOf gives it.
autograd::Array NormalizedAdvantages(const autograd::Array& rewards, const autograd::Array& valid,
                                     autograd::Collective* collective, autograd::Array* moments = nullptr);

}  // namespace rl
