#pragma once

// A Gaussian with independent dimensions, N(μ, diag σ²), as an immutable value: the policy of continuous actions. One
// sample of the batch has one action, a whole map of them where `positions` says so.
//
//   DiagonalGaussian policy(mean, log_standard_deviation, {h, w});   // both [n, d]: one μ and σ for all h·w positions
//   Variable latent = policy.ReparameterizedSample(key);             // [n, h, w, d]
//   Variable log_probability = policy.LogProbability(latent.array(), Reduction::kMean);  // [n]
//
// Two gradients must not be mixed. The pathwise one (Kingma & Welling, arXiv:1312.6114) goes through
// ReparameterizedSample into whatever uses the sample; the score-function one (Williams, 1992) takes ∇log π(a) at an
// action that is a constant. LogProbability is the second: it takes an Array, through which nothing flows.
//
// Everything is computed in float32 for bfloat16 parameters and in the parameters' dtype otherwise.

#include <cstdint>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"

namespace rl {

// How the D dimensions of a sample's action (d, times the positions) become one number. Densities of many dimensions
// multiply, so with kSum a ratio π/π_old of a large map is nearly always 0 or ∞: exp of a sum over millions of terms.
// kMean takes the geometric mean over dimensions in its place; it is no ratio of densities, but it stays near 1.
enum class Reduction { kSum, kMean };

class DiagonalGaussian {
 public:
  // mean and log_standard_deviation [n, .., d], floating, of one shape and dtype. With `positions` they are [n, d], and
  // an action is [n, positions.., d], every position drawn by itself from the same μ and σ; without, an action has
  // their own shape.
  DiagonalGaussian(autograd::Variable mean, autograd::Variable log_standard_deviation,
                   const std::vector<int64_t>& positions = {});

  const autograd::Variable& mean() const { return mean_; }
  const autograd::Variable& log_standard_deviation() const { return log_standard_deviation_; }
  const autograd::Shape& action_shape() const { return action_shape_; }

  // a = μ + σ·ε with ε = StandardNormal(action_shape, …, key, first_sample): the same draws on every backend, and by
  // ranks what one with the whole batch would draw. The gradient flows to μ (1) and to log σ (σ·ε).
  autograd::Variable ReparameterizedSample(const autograd::RandomKey& key, int64_t first_sample = 0) const;
  // The same numbers, constant.
  autograd::Array Sample(const autograd::RandomKey& key, int64_t first_sample = 0) const;

  // The most probable action, μ at every position. Differentiable.
  autograd::Variable Mode() const;

  // log π(a) = Σ −((a − μ)/σ)²/2 − log σ − log(2π)/2 over the D dimensions of each sample, or that divided by D: action
  // of action_shape -> [n]. Differentiable in μ and log σ.
  autograd::Variable LogProbability(const autograd::Array& action, Reduction reduction) const;
  // The same with a gradient to the action too. Of a reparameterised sample of this distribution the two parts for μ
  // cancel.
  autograd::Variable PathwiseLogProbability(const autograd::Variable& action, Reduction reduction) const;

  // H = Σ log σ + log(2πe)/2 over the D dimensions, or divided by D: [n]. Differentiable.
  autograd::Variable Entropy(Reduction reduction) const;

  // KL(this ‖ other) = Σ log(σ'/σ) + (σ² + (μ − μ')²)/(2σ'²) − ½ over the D dimensions, or divided by D: [n].
  // Differentiable in both. Both have one action_shape and dtype, and parameters of one shape.
  autograd::Variable Divergence(const DiagonalGaussian& other, Reduction reduction) const;

 private:
  // A parameter as it broadcasts against actions: [n, 1.., d] in place of [n, d].
  autograd::Variable Broadcastable(const autograd::Variable& parameter) const;
  // Σ or mean over the D dimensions of x, of action_shape, or (each entry standing for all positions) of the
  // parameters' shape: [n].
  autograd::Variable Reduced(const autograd::Variable& x, Reduction reduction) const;

  autograd::Variable mean_, log_standard_deviation_;
  autograd::Shape action_shape_;
  std::vector<int64_t> broadcast_extents_;  // of the parameters against actions; empty: they have the actions' shape
};

}  // namespace rl
