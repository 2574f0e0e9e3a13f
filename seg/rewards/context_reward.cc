#include "seg/rewards/context_reward.h"

#include <limits>

#include "autograd/core/dims.h"
#include "seg/rewards/context_reward_kernels.h"

namespace seg {

using autograd::Array;

Array ContextReward(const Array& before, const Array& after, const Array& context, const Array& labels,
                    const ContextRewardOptions& options) {
  autograd::Dims dims("ContextReward");
  dims.Match(before, "before: n h w").Is(before, autograd::kUInt8, "before");
  dims.Match(after, "after: n h w").Is(after, autograd::kUInt8, "after");
  dims.Match(context, "context: n h w").Is(context, autograd::kUInt8, "context");
  dims.Match(labels, "labels: n h w").Is(labels, autograd::kUInt8, "labels");
  for (const Array* map : {&after, &context, &labels}) dims.SameType(before, *map);
  for (int64_t window : {options.window_height, options.window_width}) {
    autograd::Require(window >= 1 && window % 2 == 1, dims.operation(), "the window is ", options.window_height, " x ",
                      options.window_width, " but must be odd");
  }
  autograd::Require(dims["h"] * dims["w"] <= std::numeric_limits<int32_t>::max(), dims.operation(), "labels ",
                    labels.shape());

  Array rewards = Array::Empty(labels.shape(), autograd::kFloat32);
  kernels::ContextReward(autograd::Stream::Current(), before, after, context, labels, options, rewards);
  return rewards;
}

}  // namespace seg
