#include "experiments/rss/objectives.h"

#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "autograd/ops/resize.h"
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

absl::StatusOr<StepResult> Supervised(const Variable& logits, const StepView& view) {
  const data::Batch& batch = view.batch;
  const Array labels = Array::From<uint8_t>({batch.size, batch.height, batch.width}, batch.labels);
  return StepResult{seg::SegmentationLoss(logits, labels), {}};
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
      reward_.SetBatch(view.batch);
      const std::vector<int64_t> slots = Slots(view.batch);
      absl::StatusOr<rl::PixelRollout> rollout =
          rl::DrawPixelRollout(full.array(), slots, reward_, options_, view.key, view.collective);
      if (!rollout.ok()) return rollout.status();
      rollout_ = *std::move(rollout);
    }
    rl::PixelRewardResult result = rl::PixelRolloutLoss(full, rollout_, options_);
    const rl::PixelRewardReport report = result.Report();
    return StepResult{std::move(result.loss), {{"reward", report.mean_reward}, {"entropy", report.entropy}}};
  }

 private:
  rl::PixelRewardOptions options_;
  LabelMatchReward reward_;
  rl::PixelRollout rollout_;
};

class ImageObjective {
 public:
  ImageObjective(const RunOptions& options, int classes)
      : reward_(classes, options.union_classes ? seg::ClassSet::kUnion : seg::ClassSet::kTruth),
        divergence_(options.divergence_weight > 0) {
    const std::vector<int64_t> strides(options.scales.begin(), options.scales.end());
    options_.group_size = options.samples;
    options_.scales = options.progressive ? rl::CoarseToFine(strides) : rl::AllAtOnce(strides);
    options_.credit =
        options.advantage == AdvantageKind::kGroupRelative ? rl::Credit::kWholeMap : rl::Credit::kPairwise;
    options_.normalization = options.normalisation == Normalisation::kNonZero ? rl::DifferenceNormalization::kNonZero
                             : options.normalisation == Normalisation::kAll   ? rl::DifferenceNormalization::kAll
                                                                              : rl::DifferenceNormalization::kNone;
    if (options.resampled_share > 0) options_.counterfactual = {rl::Variation::kCells, options.resampled_share};
    options_.surrogate = Surrogate(options);
    options_.synchronize_advantages = options.synchronized_advantages;
    options_.keep_old_log_probability = options.training.inner_updates > 1;
  }

  absl::StatusOr<StepResult> operator()(const Variable& logits, const StepView& view) {
    const double progress = static_cast<double>(view.step) / static_cast<double>(view.total_steps);
    const std::vector<rl::ScaledLogits> grids =
        rl::OnGrids(logits, view.batch.height, view.batch.width, options_.scales, progress);
    if (view.update == 0) {
      reward_.SetBatch(view.batch);
      const std::vector<int64_t> slots = Slots(view.batch);
      rl::RssBatch batch{slots, view.batch.height, view.batch.width, {}, {}};
      // The reference of the divergence is the policy that drew the batch.
      if (divergence_) batch.reference_logits = logits.array();
      absl::StatusOr<rl::Rollout> rollout = rl::DrawRollout(grids, batch, reward_, options_, view.key, view.collective);
      if (!rollout.ok()) return rollout.status();
      rollout_ = *std::move(rollout);
    }
    rl::RssResult result = rl::RolloutLoss(grids, rollout_, options_);
    const rl::RssReport report = result.Report();
    double entropy = 0;
    for (const rl::ScaleReport& scale : report.scales)
      entropy += scale.entropy / static_cast<double>(report.scales.size());
    return StepResult{std::move(result.loss), {{"reward", report.mean_reward}, {"entropy", entropy}}};
  }

 private:
  rl::RssOptions options_;
  MeanIouReward reward_;
  bool divergence_;
  rl::Rollout rollout_;
};

}  // namespace

Objective MakeObjective(const RunOptions& options, int classes) {
  switch (options.supervision) {
    case Supervision::kLabels:
      return Supervised;
    case Supervision::kPixelReward: {
      auto objective = std::make_shared<PixelObjective>(options, classes);
      return [objective](const Variable& logits, const StepView& view) { return (*objective)(logits, view); };
    }
    case Supervision::kImageReward:
      break;
  }
  auto objective = std::make_shared<ImageObjective>(options, classes);
  return [objective](const Variable& logits, const StepView& view) { return (*objective)(logits, view); };
}

}  // namespace experiments::rss
