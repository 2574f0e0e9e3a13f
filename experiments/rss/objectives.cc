#include "experiments/rss/objectives.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
#include "experiments/rss/image_reward.h"
#include "experiments/rss/label_reward.h"
#include "rl/rss/pixel_reward_loss.h"
#include "rl/rss/rss_loss.h"
#include "seg/losses/segmentation_loss.h"

namespace experiments::rss {
namespace {

using autograd::Array;
using autograd::Variable;

std::vector<int64_t> Slots(const data::Batch& batch) {
  std::vector<int64_t> slots(batch.size);
  std::iota(slots.begin(), slots.end(), 0);
  return slots;
}

absl::StatusOr<StepResult> Supervised(const Variable& logits, const StepView& view, double auxiliary_weight) {
  Variable loss = seg::SegmentationLoss(logits, view.labels);
  if (view.auxiliary.defined())
    loss = loss + autograd::Scale(seg::SegmentationLoss(view.auxiliary, view.labels), auxiliary_weight);
  const int ranks = view.collective.world_size();
  if (ranks == 1) return StepResult{loss, nullptr};
  // The mean over the pixels of all ranks that are not void: this rank's counts by its share of them.
  const std::vector<uint8_t>& labels = view.batch.labels;
  const auto own = static_cast<double>(labels.size() - std::count(labels.begin(), labels.end(), data::kVoidLabel));
  double all[1] = {own};
  autograd::OperationScope scope("Supervised");
  view.collective.AllReduceSum(all);
  return StepResult{autograd::Scale(loss, own * ranks / std::max(all[0], 1.0)), nullptr};
}

rl::CategoricalSurrogateOptions Surrogate(const RunOptions& options) {
  rl::CategoricalSurrogateOptions surrogate;
  surrogate.clip = options.clip;
  surrogate.entropy_weight = options.entropy_weight;
  surrogate.divergence_weight = options.divergence_weight;
  return surrogate;
}

// A rollout serves all updates of its step.
class PixelObjective {
 public:
  PixelObjective(const RunOptions& options, int classes) : reward_(classes) {
    options_.group_size = options.samples;
    options_.synchronize_advantages = options.synchronized_advantages;
    options_.surrogate = Surrogate(options);
    options_.keep_old_log_probability = options.training.inner_updates > 1;
  }

  absl::StatusOr<StepResult> operator()(const Variable& logits, const StepView& view) {
    const Variable full = autograd::ResizeBilinear(logits, view.batch.height, view.batch.width);
    if (view.update == 0) {
      reward_.SetLabels(view.labels);
      const std::vector<int64_t> slots = Slots(view.batch);
      absl::StatusOr<rl::PixelRollout> rollout =
          rl::DrawPixelRollout(full.array(), slots, reward_, options_, view.key, view.collective);
      if (!rollout.ok()) return rollout.status();
      rollout_ = *std::move(rollout);
    }
    rl::PixelRewardResult result = rl::PixelRolloutLoss(full, rollout_, options_);
    return StepResult{result.loss, [result] {
                        const rl::PixelRewardReport report = result.Report();
                        return NamedValues{{"reward", report.mean_reward}, {"entropy", report.entropy}};
                      }};
  }

 private:
  rl::PixelRewardOptions options_;
  LabelMatchReward reward_;
  rl::PixelRollout rollout_;
};

class ImageObjective {
 public:
  ImageObjective(const RunOptions& options, int classes)
      : reward_(MakeImageReward(options, classes)), divergence_(options.divergence_weight > 0) {
    const std::vector<int64_t> strides(options.scales.begin(), options.scales.end());
    options_.group_size = options.samples;
    options_.scales = options.progressive ? rl::CoarseToFine(strides) : rl::AllAtOnce(strides);
    options_.credit = options.advantage == AdvantageKind::kGroupRelative ? rl::Credit::kWholeMap
                      : options.advantage == AdvantageKind::kPosterior   ? rl::Credit::kPosterior
                                                                         : rl::Credit::kPairwise;
    options_.normalization = options.normalisation == Normalisation::kNonZero ? rl::DifferenceNormalization::kNonZero
                             : options.normalisation == Normalisation::kAll   ? rl::DifferenceNormalization::kAll
                                                                              : rl::DifferenceNormalization::kNone;
    if (options.resampled_share > 0) options_.counterfactual = {rl::Variation::kCells, options.resampled_share};
    options_.surrogate = Surrogate(options);
    if (options_.credit == rl::Credit::kPosterior) {
      options_.sharpness = options.sharpness;
      options_.surrogate.entropy_weight = 0;
    }
    options_.synchronize_advantages = options.synchronized_advantages;
    options_.keep_old_log_probability = options.training.inner_updates > 1;
  }

  absl::StatusOr<StepResult> operator()(const Variable& logits, const StepView& view) {
    const std::vector<rl::ScaledLogits> grids = rl::OnGrids(logits, view.batch.height, view.batch.width,
                                                            options_.scales, Progress(view.step, view.total_steps));
    if (view.update == 0) {
      reward_.set_batch(view);
      const std::vector<int64_t> slots = Slots(view.batch);
      rl::RssBatch batch{slots, view.batch.height, view.batch.width, {}, {}};
      // The reference of the divergence is the policy that drew the batch.
      if (divergence_) batch.reference_logits = logits.array();
      absl::StatusOr<rl::Rollout> rollout =
          rl::DrawRollout(grids, batch, *reward_.reward, options_, view.key, view.collective);
      if (!rollout.ok()) return rollout.status();
      rollout_ = *std::move(rollout);
    }
    rl::RssResult result = rl::RolloutLoss(grids, rollout_, options_);
    return StepResult{result.loss, [result] {
                        const rl::RssReport report = result.Report();
                        double entropy = 0;
                        for (const rl::ScaleReport& scale : report.scales)
                          entropy += scale.entropy / static_cast<double>(report.scales.size());
                        return NamedValues{{"reward", report.mean_reward}, {"entropy", entropy}};
                      }};
  }

  // Steps in which the same scales are in use do the same work: a bit for each.
  int64_t Phase(int64_t step, int64_t total_steps) const {
    int64_t phase = 0;
    for (const rl::RewardScale& scale : options_.scales)
      phase = 2 * phase + (scale.ActiveAt(Progress(step, total_steps)) ? 1 : 0);
    return phase;
  }

 private:
  static double Progress(int64_t step, int64_t total_steps) {
    return static_cast<double>(step) / static_cast<double>(total_steps);
  }

  rl::RssOptions options_;
  ImageReward reward_;
  bool divergence_;
  rl::Rollout rollout_;
};

}  // namespace

Objective MakeObjective(const RunOptions& options, int classes) {
  switch (options.supervision) {
    case Supervision::kLabels:
      return {[weight = options.auxiliary_weight](const Variable& logits, const StepView& view) {
                return Supervised(logits, view, weight);
              },
              true};
    case Supervision::kPixelReward: {
      auto objective = std::make_shared<PixelObjective>(options, classes);
      return {[objective](const Variable& logits, const StepView& view) { return (*objective)(logits, view); }, true};
    }
    case Supervision::kImageReward:
      break;
  }
  auto objective = std::make_shared<ImageObjective>(options, classes);
  return {[objective](const Variable& logits, const StepView& view) { return (*objective)(logits, view); },
          options.reward_command.empty(),
          [objective](int64_t step, int64_t total_steps) { return objective->Phase(step, total_steps); }};
}

}  // namespace experiments::rss
