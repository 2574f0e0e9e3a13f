#include "rl/estimators/pairwise_spatial_difference.h"

#include "autograd/core/dims.h"
#include "rl/estimators/moments_kernels.h"
#include "rl/estimators/pairwise_spatial_difference_kernels.h"

namespace rl {

using autograd::Array;

Array PairwiseSpatialDifference(const Array& rewards, const Array& actions, const Array& valid) {
  autograd::Dims dims("PairwiseSpatialDifference");
  dims.Match(rewards, "rewards: n b")
      .Is(rewards, autograd::kFloat32, "rewards")
      .Is(actions, autograd::kUInt8, "actions");
  autograd::Require(actions.rank() >= 2 && actions.shape()[0] == dims["n"] && actions.shape()[1] == dims["b"],
                    dims.operation(), "actions ", actions.shape(), " for rewards ", rewards.shape());
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    autograd::Require(valid.shape() == autograd::Shape(actions.shape().begin() + 1, actions.rank() - 1),
                      dims.operation(), "valid ", valid.shape(), " for actions ", actions.shape());
  }

  Array advantages = Array::Empty(actions.shape(), autograd::kFloat32);
  kernels::PairwiseSpatialDifference(autograd::Stream::Current(), rewards, actions, valid, advantages);
  return advantages;
}

NormalizedDifferences NormalizeDifferences(const Array& differences, const Array& valid, Normalization normalization,
                                           autograd::Collective* collective) {
  autograd::OperationScope scope("NormalizeDifferences");
  NormalizedDifferences result;
  const Entries entries = normalization == Normalization::kNonZero ? Entries::kNonZero : Entries::kAll;
  result.moments = MomentsOf(differences, valid, entries, collective);
  result.count = CountPerRank(result.moments, collective);
  result.advantages = differences;
  if (normalization == Normalization::kNone) return result;
  // The mean is 0 by construction and stays where it is: taking it away would make the zeros non-zero.
  result.advantages = autograd::EmptyLike(differences);
  kernels::Standardize(autograd::Stream::Current(), differences, valid, result.moments, false, result.advantages);
  return result;
}

}  // namespace rl
