#include "experiments/rss/objectives.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/resize.h"
#include "experiments/rewards/image_reward.h"
#include "experiments/rewards/label_reward.h"
#include "experiments/runner/supervised.h"
#include "rl/rss/pixel_reward_loss.h"
#include "rl/rss/rss_loss.h"

namespace experiments::rss {
namespace {

using autograd::Variable;

std::vector<int64_t> Slots(const data::Batch& batch) {
  std::vector<int64_t> slots(batch.size);
  std::iota(slots.begin(), slots.end(), 0);
  return slots;
}

rl::CategoricalSurrogateOptions Surrogate(const RssOptions& options) {
  rl::CategoricalSurrogateOptions surrogate;
  surrogate.clip = options.clip;
  surrogate.entropy_weight = options.entropy_weight;
  surrogate.divergence_weight = options.divergence_weight;
  return surrogate;
}

// A rollout serves all updates of its step.
class PixelReward : public OfNetwork {
 public:
  PixelReward(const RssOptions& options, Network& network) : OfNetwork(network), reward_(network.classes()) {
    options_.group_size = options.group_size;
    options_.synchronize_advantages = options.synchronized_advantages;
    options_.surrogate = Surrogate(options);
    options_.keep_old_log_probability = options.gradient.inner_updates > 1;
  }

  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    const Variable full = autograd::ResizeBilinear(network_.Logits(Variable(view.images), view.context),
                                                   view.batch.height, view.batch.width);
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

  bool recordable() const override { return true; }

 private:
  rl::PixelRewardOptions options_;
  LabelMatchReward reward_;
  rl::PixelRollout rollout_;
};

class ImageReward : public OfNetwork {
 public:
  ImageReward(const RssOptions& options, Network& network)
      : OfNetwork(network),
        reward_(MakeImageReward(
            options.reward, network.classes(),
            options.reward_classes == RewardClasses::kUnion ? seg::ClassSet::kUnion : seg::ClassSet::kTruth)),
        divergence_(options.divergence_weight > 0),
        recordable_(options.reward.command.empty()) {
    const std::vector<int64_t> strides(options.scales.begin(), options.scales.end());
    options_.group_size = options.group_size;
    options_.scales = options.progressive ? rl::CoarseToFine(strides) : rl::AllAtOnce(strides);
    options_.credit = options.credit;
    options_.normalization = options.normalization;
    if (options.resampled_share > 0) options_.counterfactual = {rl::Variation::kCells, options.resampled_share};
    options_.surrogate = Surrogate(options);
    if (options_.credit == rl::Credit::kPosterior) {
      options_.sharpness = options.sharpness;
      options_.surrogate.entropy_weight = 0;
    }
    options_.synchronize_advantages = options.synchronized_advantages;
    options_.keep_old_log_probability = options.gradient.inner_updates > 1;
  }

  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    const Variable logits = network_.Logits(Variable(view.images), view.context);
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

  bool recordable() const override { return recordable_; }
  // Steps in which the same scales are in use do the same work: a bit for each.
  int64_t Phase(int64_t step, int64_t total_steps) const override {
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
  experiments::ImageReward reward_;
  const bool divergence_, recordable_;
  rl::Rollout rollout_;
};

}  // namespace

std::unique_ptr<Objective> MakeObjective(const RssOptions& options, Network& network) {
  switch (options.supervision) {
    case Supervision::kLabels:
      return std::make_unique<Supervised>(network, options.auxiliary_weight);
    case Supervision::kPixelReward:
      return std::make_unique<PixelReward>(options, network);
    case Supervision::kImageReward:
      break;
  }
  return std::make_unique<ImageReward>(options, network);
}

}  // namespace experiments::rss
