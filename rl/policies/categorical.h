#pragma once

// A categorical distribution at every position of a map, as an immutable value: π = softmax(logits).
//
//   Categorical policy(logits);                                     // [n, h, w, k]
//   Array actions = policy.Sample(key, 8);                          // uint8 [8, n, h, w]
//   Variable log_probability = policy.LogProbability(actions);      // [8, n, h, w]
//
// Results are float32 for bfloat16 logits and of the logits' dtype otherwise. All of them are fused: one pass over the
// logits, whatever the number of samples.

#include <cstdint>

#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"

namespace rl {

class Categorical {
 public:
  // logits [.., k], floating, 1 <= k <= 255 (actions are stored in a byte, and 255 stays free for "void").
  explicit Categorical(autograd::Variable logits);

  const autograd::Variable& logits() const { return logits_; }
  int64_t classes() const { return logits_.shape()[-1]; }

  // uint8 [count, ..]: independent draws by inversion of the cumulative distribution. Sample i at position q (counted
  // row-major from `first_position`) depends on key, i, q and that position's logits only: drawing fewer samples, or a
  // part of the batch, repeats the same ones. Positions must stay below 2^40.
  autograd::Array Sample(const autograd::RandomKey& key, int64_t count, int64_t first_position = 0) const;

  // uint8 [..]: the most probable class, the first one among equals.
  autograd::Array Mode() const;

  // log π(a) for actions uint8 [..] or [n, ..]; of the actions' shape. Differentiable in the logits.
  autograd::Variable LogProbability(const autograd::Array& actions) const;

  // H(π) = −Σ_k π_k log π_k, [..]. Differentiable.
  autograd::Variable Entropy() const;

  // KL(this ‖ other) = Σ_k π_k (log π_k − log ρ_k), [..]. Differentiable in both. Infinite where ρ_k = 0 < π_k.
  autograd::Variable Divergence(const Categorical& other) const;

 private:
  autograd::Variable logits_;
};

}  // namespace rl
