#include "rl/estimators/normalized_advantages.h"

#include "rl/estimators/moments_kernels.h"

namespace rl {

using autograd::Array;

Array NormalizedAdvantages(const Array& rewards, const Array& valid, autograd::Collective* collective,
                           Moments* moments) {
  autograd::OperationScope scope("NormalizedAdvantages");
  const Moments over = MomentsOf(rewards, valid, Entries::kAll, collective);
  if (moments != nullptr) *moments = over;
  Array advantages = autograd::EmptyLike(rewards);
  autograd::kernels::Standardize(autograd::Stream::Current(), rewards, valid, over.mean(),
                                 1.0 / (over.standard_deviation() + kDeviationFloor), advantages);
  return advantages;
}

}  // namespace rl
