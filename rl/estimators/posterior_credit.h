#pragma once

// What the scores of n maps say about the class of each position, as evidence in Bayes' rule; not in the paper (docs/rss_convergence.md).
//
// A policy gradient follows the expected score, whose gradient by the logits is π_a·(…): next to nothing where the policy is wrong and sure. The
// likelihood of the scores does not fade so: its gradient is posterior − π, cross-entropy to what the scores say the map is. The model: where a
// position shows its right class a map's score is δ higher, and all that the other positions do is normal noise of the image's variance σ². With n_a of
// n maps showing class a there, of mean score R_a, against R_other, "a is right" has the log-likelihood ratio
//
//   ℓ_a = n_a·(n − n_a)/n · (δ·(R_a − R_other) − δ²/2)/σ²,      posterior_a ∝ π_a·exp(ℓ_a),
//
// and ℓ = 0 for classes that no map shows. δ follows from the variance: independent positions add δ²·π(1 − π) each, so δ² = σ²/V with V half the number
// of positions at which two maps of the image differ, on average over the pairs (at least 1/4).

#include "autograd/core/array.h"

namespace rl {

// rewards float32 [n, b], actions uint8 [n, b, ..], log_probability float32 [n, b, ..] of the actions -> advantages float32 [n, b, ..]:
// A_i = n/n_a·(posterior_a − π_a) for a = a_i, so that the mean of A·∇log π over the n maps is the sum over the classes shown of
// (posterior_a − π_a)·∇log π_a. 0 where all maps agree, where all rewards of an image are equal, and where valid uint8 [b, ..] (if defined) is 0.
autograd::Array PosteriorCredit(const autograd::Array& rewards, const autograd::Array& actions,
                                const autograd::Array& log_probability, const autograd::Array& valid = {});

}  // namespace rl
