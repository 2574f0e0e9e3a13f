#include "rl/estimators/normalized_advantages.h"

#include "rl/estimators/moments_kernels.h"

namespace rl {

using autograd::Array;

Array NormalizedAdvantages(const Array& rewards, const Array& valid, autograd::Collective* collective, Array* moments) {
  autograd::OperationScope scope("NormalizedAdvantages");
  const Array over = MomentsOf(rewards, valid, Entries::kAll, collective);
  if (moments != nullptr) *moments = over;
  Array advantages = autograd::EmptyLike(rewards);
  kernels::Standardize(autograd::Stream::Current(), rewards, valid, over, true, advantages);
  return advantages;
}

}  // namespace rl
