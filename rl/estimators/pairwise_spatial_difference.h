#pragma once

// Pair-wise spatial difference (RSS, section 3.2.3): of two maps of one image, the difference of their scores is
// credited to the pixels where they differ.

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "rl/estimators/moments.h"
#include "rl/estimators/normalization.h"

namespace rl {

// A_i(p) = 1/(n − 1)·Σ_{j ≠ i} (R_i − R_j)·1[a_i(p) ≠ a_j(p)].
// rewards float32 [n, b], actions uint8 [n, b, ..] -> float32 [n, b, ..]; 0 where valid uint8 [b, ..] (if defined) is
// 0. The sum of A_i(p) over i is 0 at every p. Costs O(n) a pixel: with n_c maps of class c there, of rewards summing
// to S_c, the sum over j is (n − n_c)·R_i − (S − S_c) for c = a_i(p).
autograd::Array PairwiseSpatialDifference(const autograd::Array& rewards, const autograd::Array& actions,
                                          const autograd::Array& valid = {});

struct NormalizedDifferences {
  autograd::Array advantages;  // float32 [n, b, ..]
  // What the loss Σ −A log π is divided by, float64 [1]. With a collective of R ranks it is the count over all ranks,
  // divided by R: the mean of the ranks' losses (and gradients) is then the mean over all entries. 0 when there is
  // none: the loss is 0.
  autograd::Array count;
  autograd::Array moments;  // of the entries counted, as MomentsOf gives them
};

// With a collective the standard deviation and the count are taken over all ranks, with nullptr over this one.
NormalizedDifferences NormalizeDifferences(const autograd::Array& differences, const autograd::Array& valid,
                                           Normalization normalization, autograd::Collective* collective);

}  // namespace rl
