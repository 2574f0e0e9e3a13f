#pragma once

// The policy-gradient loss of categorical maps (RSS, section 3.1; GRPO, arXiv:2402.03300, equation 3) with its
// gradient, in one pass over the logits whatever the number of samples.

#include "autograd/core/tape.h"

namespace rl {

// n samples for maps of b images. Undefined Arrays are left out.
struct CategoricalSurrogateInputs {
  autograd::Array actions;     // uint8 [n, b, ..], every one < k
  autograd::Array advantages;  // float32 [n, b, ..], or [n, b] for one advantage a map
  autograd::Array
      old_log_probability;           // optional, float32 [n, b, ..]: log π_old(a) of the policy that drew the actions
  autograd::Array reference_logits;  // optional, as logits: needed for divergence_weight
  autograd::Array valid;             // optional, uint8 [b, ..]: positions with 0 contribute to nothing
  // Optional, float64 [1]: what entropy and divergence are divided by in place of the number of valid positions. Ranks
  // with unequally many give the mean of all ranks, so that a position weighs the same on each.
  autograd::Array positions;
};

struct CategoricalSurrogateOptions {
  double clip = 0.2;             // the ratio's bounds are 1 − clip and 1 + clip_high;
  double clip_high = -1;         // negative: as clip
  double entropy_weight = 0;     // subtracts the mean entropy of the valid positions
  double divergence_weight = 0;  // adds the mean of KL(π ‖ reference) over the valid positions, in closed form
};

// logits [b, .., k] -> [], float32 (float64 for float64 logits):
//
//   −Σ min(ρ·A, clip(ρ)·A)/count − entropy_weight·mean H + divergence_weight·mean KL,   ρ = π/π_old,
//
// and, without old_log_probability (the one inner update of on-policy training, where ρ = 1), −Σ A·log π(a)/count in
// place of the first term: the same gradient, Σ_i A_i (π − onehot(a_i))/count, and a value that tells something.
// `count` is float64 [1], where the logits are, so that it may be a result of kernels; undefined, it is the number of
// all entries at valid positions. With count 0 the first term is exactly 0, never NaN. `statistics`, if asked for,
// receives float64 [4]: mean entropy, mean divergence from the reference, and of the entries at valid positions the
// share whose ratio is clipped and the share whose advantage is not 0.
autograd::Variable CategoricalSurrogate(const autograd::Variable& logits, const CategoricalSurrogateInputs& inputs,
                                        const autograd::Array& count, const CategoricalSurrogateOptions& options = {},
                                        autograd::Array* statistics = nullptr);
// The same for a count that is known, >= 0.
autograd::Variable CategoricalSurrogate(const autograd::Variable& logits, const CategoricalSurrogateInputs& inputs,
                                        double count, const CategoricalSurrogateOptions& options = {},
                                        autograd::Array* statistics = nullptr);

}  // namespace rl
