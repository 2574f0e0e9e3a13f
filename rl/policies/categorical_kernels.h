#pragma once

// Kernels of the categorical policy. `logits` is [.., k] with 1 <= k <= 255; a "position" is one row of it, and there are
// p = logits.size() / k of them. Kernels live in namespace autograd as all kernels do.

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// actions uint8 [n, p]. The draw of sample i at position q is word i mod 4 of Philox(key, counter), where counter holds
// i div 4 above bit 40 and first_position + q below: it depends on nothing else. Backends add the classes in the same order, so actions
// differ only where a draw meets a class's boundary within the rounding of their exp (some 10^-7 of the draws in float32).
KERNEL(CategoricalSample,
       void(Stream&, const Array& logits, const RandomKey& key, int64_t first_position, Array& actions));

// actions uint8 [p]: the first class of the largest logit.
KERNEL(CategoricalMode, void(Stream&, const Array& logits, Array& actions));

// y[i, q] = log π_q(actions[i, q]); an action >= k is an Error on the CPU and gives NaN elsewhere.
KERNEL(CategoricalLogProbability, void(Stream&, const Array& logits, const Array& actions, Array& y));
// dlogits[q, k] = Σ_i dy[i, q]·(1[actions[i, q] = k] − π_q(k))
KERNEL(CategoricalLogProbabilityGradient,
       void(Stream&, const Array& logits, const Array& actions, const Array& dy, Array& dlogits));

// y[q] = H(π_q)
KERNEL(CategoricalEntropy, void(Stream&, const Array& logits, Array& y));
// dlogits[q, k] = −dy[q]·π(k)·(log π(k) + H)
KERNEL(CategoricalEntropyGradient, void(Stream&, const Array& logits, const Array& dy, Array& dlogits));

// y[q] = KL(π_q ‖ ρ_q)
KERNEL(CategoricalDivergence, void(Stream&, const Array& logits, const Array& other_logits, Array& y));
// For operand 0: dlogits[q, k] = dy[q]·π(k)·(log π(k) − log ρ(k) − KL); for operand 1: dy[q]·(ρ(k) − π(k)).
KERNEL(CategoricalDivergenceGradient,
       void(Stream&, const Array& logits, const Array& other_logits, int operand, const Array& dy, Array& dlogits));

}  // namespace autograd
