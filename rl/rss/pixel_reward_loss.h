#pragma once

// Learning from a reward at every pixel (RSS, section 3.1): group_size actions a pixel, rewards 1 or 0, advantages normalised over
// the batch — with SyncAN over every rank's — and the policy gradient −mean(A·log π(a)) over the valid pixels and samples.

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"
#include "rl/objectives/categorical_surrogate.h"
#include "rl/rollouts/reward.h"

namespace rl {

struct PixelRewardOptions {
  int64_t group_size = 4;              // actions drawn at a pixel
  bool synchronize_advantages = true;  // SyncAN
  CategoricalSurrogateOptions surrogate;
  bool keep_old_log_probability = false;  // for more than one update a rollout
};

struct PixelRollout {
  CategoricalSurrogateInputs inputs;
  double count = 0;
  double mean_reward = 0;  // over what the advantages were normalised over
};

// logits [b, h, w, k] at the labels' resolution. Ranks draw what one rank with the whole batch would, given equally many images
// a rank.
absl::StatusOr<PixelRollout> DrawPixelRollout(const autograd::Array& logits, std::span<const int64_t> image_ids,
                                              PixelReward& reward, const PixelRewardOptions& options,
                                              const autograd::RandomKey& key, autograd::Collective& collective);

struct PixelRewardResult {
  autograd::Variable loss;  // []
  double mean_reward = 0;
  double entropy = 0;
};

PixelRewardResult PixelRolloutLoss(const autograd::Variable& logits, const PixelRollout& rollout,
                                   const PixelRewardOptions& options);

absl::StatusOr<PixelRewardResult> PixelRewardLoss(const autograd::Variable& logits, std::span<const int64_t> image_ids,
                                                  PixelReward& reward, const PixelRewardOptions& options,
                                                  const autograd::RandomKey& key, autograd::Collective& collective);

}  // namespace rl
