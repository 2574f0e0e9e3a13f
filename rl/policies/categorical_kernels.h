#pragma once

// Kernels of the categorical policy. `logits` is [.., k] with 1 <= k <= 255; a "position" is one row of it, and there
// are p = logits.size() / k of them.

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace rl {

// actions uint8 [n, p]. The draw of sample i at position q is word i mod 4 of Philox(key, counter), where counter holds
// i div 4 above bit 40 and first_position + q below: it depends on nothing else. Backends add the classes in the same
// order, so actions differ only where a draw meets a class's boundary within the rounding of their exp (some 10^-7 of
// the draws in float32).
KERNEL(CategoricalSample, void(autograd::Stream&, const autograd::Array& logits, const autograd::RandomKey& key,
                               int64_t first_position, autograd::Array& actions));

// actions uint8 [p]: the first class of the largest logit.
KERNEL(CategoricalMode, void(autograd::Stream&, const autograd::Array& logits, autograd::Array& actions));

// y[i, q] = log π_q(actions[i, q]); an action >= k is an Error on the CPU and gives NaN elsewhere.
KERNEL(CategoricalLogProbability,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& actions, autograd::Array& y));
// dlogits[q, k] = Σ_i dy[i, q]·(1[actions[i, q] = k] − π_q(k))
KERNEL(CategoricalLogProbabilityGradient,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& actions, const autograd::Array& dy,
            autograd::Array& dlogits));

// y[q] = H(π_q)
KERNEL(CategoricalEntropy, void(autograd::Stream&, const autograd::Array& logits, autograd::Array& y));
// dlogits[q, k] = −dy[q]·π(k)·(log π(k) + H)
KERNEL(CategoricalEntropyGradient,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& dy, autograd::Array& dlogits));

// y[q] = KL(π_q ‖ ρ_q)
KERNEL(CategoricalDivergence,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& other_logits, autograd::Array& y));
// For operand 0: dlogits[q, k] = dy[q]·π(k)·(log π(k) − log ρ(k) − KL); for operand 1: dy[q]·(ρ(k) − π(k)).
KERNEL(CategoricalDivergenceGradient,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& other_logits, int operand,
            const autograd::Array& dy, autograd::Array& dlogits));

}  // namespace rl
