#include "rl/rss/pixel_reward_loss.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/core/dims.h"
#include "rl/estimators/moments.h"
#include "rl/estimators/normalized_advantages.h"
#include "rl/policies/categorical.h"

namespace rl {

using autograd::Array;
using autograd::Variable;

absl::StatusOr<PixelRollout> DrawPixelRollout(const Array& logits, std::span<const int64_t> image_ids,
                                              PixelReward& reward, const PixelRewardOptions& options,
                                              const autograd::RandomKey& key, autograd::Collective& collective) {
  autograd::PauseTape pause;
  autograd::Dims dims("DrawPixelRollout");
  dims.Match(logits, "logits: b h w k");
  autograd::Require(static_cast<int64_t>(image_ids.size()) == dims["b"], dims.operation(), image_ids.size(),
                    " image ids for logits ", logits.shape());
  const int64_t pixels = dims["b"] * dims["h"] * dims["w"];

  PixelRollout rollout;
  const Categorical policy((Variable(logits)));
  rollout.inputs.actions = policy.Sample(key.Split("actions"), options.group_size, collective.rank() * pixels);
  if (options.keep_old_log_probability)
    rollout.inputs.old_log_probability = policy.LogProbability(rollout.inputs.actions).array();
  absl::StatusOr<PixelScores> scores = reward.Score(image_ids, rollout.inputs.actions);
  if (!scores.ok()) return scores.status();
  if (!scores->rewards.defined() || !(scores->rewards.shape() == rollout.inputs.actions.shape())) {
    return absl::InvalidArgumentError(absl::StrCat("the reward gave scores ", scores->rewards.shape().ToString(),
                                                   " for actions ", rollout.inputs.actions.shape().ToString()));
  }

  autograd::Collective* const synchronized = options.synchronize_advantages ? &collective : nullptr;
  rollout.inputs.advantages = NormalizedAdvantages(scores->rewards, scores->valid, synchronized, &rollout.moments);
  rollout.inputs.valid = std::move(scores->valid);
  rollout.count = CountPerRank(rollout.moments, synchronized);
  if (synchronized != nullptr && collective.world_size() > 1) {
    const double pixels_a_rank = rollout.count.Item() / static_cast<double>(options.group_size);
    rollout.inputs.positions = Array::Full({1}, autograd::kFloat64, pixels_a_rank);
  }
  return rollout;
}

PixelRewardResult PixelRolloutLoss(const Variable& logits, const PixelRollout& rollout,
                                   const PixelRewardOptions& options) {
  PixelRewardResult result;
  result.loss = CategoricalSurrogate(logits, rollout.inputs, rollout.count, options.surrogate, &result.statistics);
  result.moments = rollout.moments;
  return result;
}

PixelRewardReport PixelRewardResult::Report() const {
  return {ReadMoments(moments).mean(), statistics.ToVector<double>().at(0)};
}

absl::StatusOr<PixelRewardResult> PixelRewardLoss(const Variable& logits, std::span<const int64_t> image_ids,
                                                  PixelReward& reward, const PixelRewardOptions& options,
                                                  const autograd::RandomKey& key, autograd::Collective& collective) {
  const absl::StatusOr<PixelRollout> rollout =
      DrawPixelRollout(logits.array(), image_ids, reward, options, key, collective);
  if (!rollout.ok()) return rollout.status();
  return PixelRolloutLoss(logits, *rollout, options);
}

}  // namespace rl
