#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace rl {

// count float64 [1] = the number of entries of valid uint8 that are not 0.
KERNEL(CountValid, void(autograd::Stream&, const autograd::Array& valid, autograd::Array& count));

// y [] (float32, or float64 for float64 x) = Σ x/(n·count) over the entries whose position is valid, 0 where count is
// 0. x has n entries for each of valid's (valid may be undefined, then n is 1): entry i is at position i mod
// valid.size().
KERNEL(MaskedMean, void(autograd::Stream&, const autograd::Array& x, const autograd::Array& valid,
                        const autograd::Array& count, autograd::Array& y));

// dx = dy/(n·count) at valid positions, 0 elsewhere.
KERNEL(MaskedMeanGradient, void(autograd::Stream&, const autograd::Array& dy, const autograd::Array& valid,
                                const autograd::Array& count, autograd::Array& dx));

}  // namespace rl
