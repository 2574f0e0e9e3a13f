#include "rl/estimators/group_relative_advantage.h"

#include "autograd/core/dims.h"
#include "rl/estimators/group_relative_advantage_kernels.h"

namespace rl {

using autograd::Array;

Array GroupRelativeAdvantage(const Array& rewards, Deviation deviation) {
  autograd::Dims dims("GroupRelativeAdvantage");
  dims.Match(rewards, "rewards: n b").Is(rewards, autograd::kFloat32, "rewards");
  const double divisor = static_cast<double>(deviation == Deviation::kPopulation ? dims["n"] : dims["n"] - 1);
  Array advantages = autograd::EmptyLike(rewards);
  kernels::GroupRelativeAdvantage(autograd::Stream::Current(), rewards, divisor, advantages);
  return advantages;
}

}  // namespace rl
