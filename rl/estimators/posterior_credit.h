#pragma once

// What the scores of n maps of an image say about the class of each position, by Bayes' rule; not in the paper
// (docs/rss_convergence.md).
//
// A policy gradient follows the expected score, whose gradient by the logits is next to nothing where the policy is
// wrong and sure. The likelihood of the scores does not fade so: its gradient is posterior − π, cross-entropy to what
// the scores say the map is. The model: position p has the class y_p ~ π(p), independently, and map i scores
//
//   R_i = μ + δ·Σ_p 1[a_i(p) = y_p] + noise of variance η·s²,
//
// with μ unknown, s² the variance of the n scores, η = 0.1, and δ as s² makes it. So scores have the means and
// covariances
//
//   m_i = δ·Σ_p π(a_i),      K_ij = δ²·Σ_p (1[a_i = a_j]·π(a_i) − π(a_i)·π(a_j)) + η·s²·1[i = j],
//
// and with the vector u_a = (1[a_i(p) = a] − π(a_i(p)))_i that class a is right at p has, with the others as normal
// noise, the log-likelihood ratio
//
//   ℓ_a = δ·u_aᵀK⁻¹(R − m) − δ²/2·u_aᵀK⁻¹u_a,      posterior_a ∝ π_a·exp(ℓ_a).
//
// All positions are weighed against each other at once: where fewer positions are in doubt than there are maps, K⁻¹
// tells their shares in the scores apart, which averages over the maps that show a class cannot.

#include "autograd/core/array.h"

namespace rl {

// rewards float32 [n, b], actions uint8 [n, b, ..], log_probability float32 [n, b, ..] of the actions, from whichever
// policy they were drawn -> advantages float32 [n, b, ..]: A_i = n/n_a·(posterior_a − π_a) for a = a_i, shown by n_a
// maps there, so that the mean of A·∇log π over the n maps is the sum over the classes shown of (posterior_a −
// π_a)·∇log π_a. 0 where all maps agree, where all rewards of an image are equal, and where valid uint8 [b, ..] (if
// defined) is 0. Costs O(n²) a position and O(n³) an image.
autograd::Array PosteriorCredit(const autograd::Array& rewards, const autograd::Array& actions,
                                const autograd::Array& log_probability, const autograd::Array& valid = {});

}  // namespace rl
