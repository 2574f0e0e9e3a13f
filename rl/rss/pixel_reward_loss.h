#pragma once

// Learning from a reward at every pixel (RSS, section 3.1): group_size actions a pixel, rewards 1 or 0, advantages
// normalised over the batch — with SyncAN over every rank's — and the policy gradient −mean(A·log π(a)) over the valid
// pixels and samples.

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

// Arrays lie where the logits do: nothing here has waited for the device.
struct PixelRollout {
  CategoricalSurrogateInputs inputs;
  autograd::Array count;    // what the surrogate is divided by: float64 [1]
  autograd::Array moments;  // of the rewards, over what the advantages were normalised over (moments.h)
};

// logits [b, h, w, k] at the labels' resolution. Ranks draw what one rank with the whole batch would, given equally
// many images a rank.
absl::StatusOr<PixelRollout> DrawPixelRollout(const autograd::Array& logits, std::span<const int64_t> image_ids,
                                              PixelReward& reward, const PixelRewardOptions& options,
                                              const autograd::RandomKey& key, autograd::Collective& collective);

struct PixelRewardReport {
  double mean_reward = 0;  // over what the advantages were normalised over
  double entropy = 0;
};

struct PixelRewardResult {
  autograd::Variable loss;              // []
  autograd::Array moments, statistics;  // what the report is made of, still on the device

  // Brings the numbers to the host and so waits for the device: call it after Backward, and only when somebody looks.
  PixelRewardReport Report() const;
};

PixelRewardResult PixelRolloutLoss(const autograd::Variable& logits, const PixelRollout& rollout,
                                   const PixelRewardOptions& options);

absl::StatusOr<PixelRewardResult> PixelRewardLoss(const autograd::Variable& logits, std::span<const int64_t> image_ids,
                                                  PixelReward& reward, const PixelRewardOptions& options,
                                                  const autograd::RandomKey& key, autograd::Collective& collective);

}  // namespace rl
