#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "seg/rewards/context_reward.h"

namespace seg {

// rewards float32 [n, h, w], as context_reward.h has them.
KERNEL(ContextReward, void(autograd::Stream&, const autograd::Array& before, const autograd::Array& after,
                           const autograd::Array& context, const autograd::Array& labels,
                           const ContextRewardOptions& options, autograd::Array& rewards));

}  // namespace seg
