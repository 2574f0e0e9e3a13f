#pragma once

// Weights of classes by how rare they are, for SegmentationLossOptions::class_weights.

#include <cstdint>
#include <span>

#include "autograd/core/array.h"

namespace seg {

// counts [k]: how often each class occurs, such as the truths of ConfusionMatrix::ByClass over a training set → float32
// [k] on the current stream's device,
//
//   w_k ∝ 1 / E(n_k),   E(n) = (1 − βⁿ) / (1 − β),
//
// with β the `effective_number`, in [0, 1] (Cui et al., "Class-balanced loss based on effective number of samples",
// CVPR 2019, equation 2): at β = 1, its limit, E(n) = n and the weights are inverse frequencies; at 0 they are equal.
// n is in pixels, so a β that differs from both has 1 / (1 − β) of the order of a class's pixels. The factor is such
// that the mean weight over the counted pixels is 1: Σ n_k·w_k = Σ n_k. So at β = 1, w_k = N / (K·n_k) with K the
// classes that occur. A class that does not occur gets weight 0. A negative count, a β outside [0, 1], or no pixel at
// all is an Error.
autograd::Array ClassWeights(std::span<const int64_t> counts, double effective_number = 1);

}  // namespace seg
