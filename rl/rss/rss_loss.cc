#include "rl/rss/rss_loss.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "autograd/core/dims.h"
#include "autograd/ops/elementwise.h"
#include "rl/estimators/masked_mean.h"
#include "rl/policies/categorical.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Collective;
using autograd::RandomKey;
using autograd::Require;
using autograd::Variable;

// Mean over the images of the standard deviation of rewards [n, b] within an image.
double MeanDeviation(const std::vector<float>& rewards, int64_t maps, int64_t images) {
  double total = 0;
  for (int64_t image = 0; image < images; ++image) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < maps; ++i) sum += rewards[i * images + image];
    const double mean = sum / static_cast<double>(maps);
    for (int64_t i = 0; i < maps; ++i)
      squares += (rewards[i * images + image] - mean) * (rewards[i * images + image] - mean);
    total += std::sqrt(squares / static_cast<double>(maps));
  }
  return images > 0 ? total / static_cast<double>(images) : 0;
}

absl::StatusOr<Array> ScoreMaps(Reward& reward, const RssBatch& batch, const Array& actions) {
  absl::StatusOr<Array> scores = reward.ScoreInPlace(batch.image_ids, actions, batch.height, batch.width);
  if (!scores.ok()) return scores;
  const autograd::Shape expected = {actions.shape()[0], actions.shape()[1]};
  if (!scores->defined() || !(scores->shape() == expected) || scores->dtype() != autograd::kFloat32) {
    return absl::InvalidArgumentError(
        absl::StrCat("the reward gave scores ", scores->shape().ToString(), " for maps ", actions.shape().ToString()));
  }
  return scores;
}

// Fills in advantages and count from the rewards of the maps that were drawn, by whichever policy; `policy` is the one
// that learns.
void AssignCredit(const RssOptions& options, const Categorical& policy, Collective& collective, ScaleRollout& rollout) {
  CategoricalSurrogateInputs& inputs = rollout.inputs;
  Collective* const synchronized = options.synchronize_advantages ? &collective : nullptr;
  if (options.credit == Credit::kPairwise) {
    const Array differences = PairwiseSpatialDifference(rollout.rewards, inputs.actions, inputs.valid);
    NormalizedDifferences normalized =
        NormalizeDifferences(differences, inputs.valid, options.normalization, synchronized);
    inputs.advantages = std::move(normalized.advantages);
    rollout.count = std::move(normalized.count);
    return;
  }
  if (options.credit == Credit::kPosterior) {
    const Array log_probability = inputs.old_log_probability.defined() ? inputs.old_log_probability
                                                                       : policy.LogProbability(inputs.actions).array();
    inputs.advantages = PosteriorCredit(rollout.rewards, inputs.actions, log_probability, inputs.valid);
  } else {
    inputs.advantages = GroupRelativeAdvantage(rollout.rewards, options.deviation);
  }
  if (synchronized == nullptr || collective.world_size() == 1) return;
  const autograd::Shape& actions = inputs.actions.shape();
  const Array cells =
      ValidPerRank(inputs.valid, autograd::Shape(actions.begin() + 1, actions.rank() - 1), synchronized);
  rollout.count = Array::Full({1}, autograd::kFloat64, static_cast<double>(options.group_size) * cells.Item());
}

}  // namespace

std::vector<ScaledLogits> OnGrids(const Variable& logits, int64_t height, int64_t width,
                                  const std::vector<RewardScale>& scales, double progress) {
  std::vector<ScaledLogits> grids;
  for (const RewardScale& scale : scales) {
    Require(scale.stride >= 1, "OnGrids", "stride is ", scale.stride);
    if (!scale.ActiveAt(progress)) continue;
    grids.push_back({scale, OnGrid(logits, GridExtent(height, scale.stride), GridExtent(width, scale.stride))});
  }
  Require(!grids.empty(), "OnGrids", "none of ", scales.size(), " scales is in use at progress ", progress);
  return grids;
}

absl::StatusOr<Rollout> DrawRollout(const std::vector<ScaledLogits>& grids, const RssBatch& batch, Reward& reward,
                                    const RssOptions& options, const RandomKey& key, Collective& collective) {
  autograd::PauseTape pause;  // draws and scores are constants
  autograd::OperationScope scope("DrawRollout");
  Require(options.group_size >= 1, "DrawRollout", "group_size is ", options.group_size);
  Require(options.sharpness == 1 || (options.credit == Credit::kPosterior && options.sharpness > 0), "DrawRollout",
          "sharpness is ", options.sharpness);
  const auto images = static_cast<int64_t>(batch.image_ids.size());
  const int64_t first_image = collective.rank() * images;

  Rollout rollout;
  for (const ScaledLogits& grid : grids) {
    const autograd::Shape& shape = grid.logits.shape();
    Require(shape[0] == images, "DrawRollout", images, " image ids for logits ", shape);
    const Categorical policy(grid.logits.Detach());
    const auto stride = static_cast<uint64_t>(grid.scale.stride);
    ScaleRollout drawn;
    drawn.stride = grid.scale.stride;
    const Categorical drawing =
        options.sharpness == 1 ? policy : Categorical(autograd::Scale(grid.logits.Detach(), options.sharpness));
    drawn.inputs.actions =
        drawing.Sample(key.Split("actions").Split(stride), options.group_size, first_image * shape[1] * shape[2]);
    drawn.inputs.actions = CounterfactualGroup(drawn.inputs.actions, options.counterfactual,
                                               key.Split("variations").Split(stride), first_image);
    if (batch.valid.defined()) drawn.inputs.valid = ValidCells(batch.valid, shape[1], shape[2]);
    if (batch.reference_logits.defined()) {
      drawn.inputs.reference_logits = OnGrid(batch.reference_logits, shape[1], shape[2]).array();
    }
    if (options.keep_old_log_probability)
      drawn.inputs.old_log_probability = policy.LogProbability(drawn.inputs.actions).array();

    absl::StatusOr<Array> rewards = ScoreMaps(reward, batch, drawn.inputs.actions);
    if (!rewards.ok()) return rewards.status();
    drawn.rewards = *std::move(rewards);
    AssignCredit(options, policy, collective, drawn);
    rollout.reward_queries += drawn.rewards.size();
    rollout.scales.push_back(std::move(drawn));
  }
  return rollout;
}

RssResult RolloutLoss(const std::vector<ScaledLogits>& grids, const Rollout& rollout, const RssOptions& options) {
  Require(grids.size() == rollout.scales.size() && !grids.empty(), "RolloutLoss", grids.size(),
          " grids for a rollout of ", rollout.scales.size(), " scales");
  RssResult result;
  result.reward_queries = rollout.reward_queries;
  for (size_t i = 0; i < grids.size(); ++i) {
    const ScaleRollout& drawn = rollout.scales[i];
    Require(drawn.stride == grids[i].scale.stride, "RolloutLoss", "the grid has stride ", grids[i].scale.stride,
            " but the rollout ", drawn.stride);
    Array statistics;
    const Variable loss =
        CategoricalSurrogate(grids[i].logits, drawn.inputs, drawn.count, options.surrogate, &statistics);
    const Variable weighted = grids[i].scale.weight == 1 ? loss : Scale(loss, grids[i].scale.weight);
    result.loss = result.loss.defined() ? result.loss + weighted : weighted;
    result.measures.push_back({drawn.stride, loss.array(), drawn.rewards, statistics});
  }
  return result;
}

RssReport RssResult::Report() const {
  RssReport report;
  for (const ScaleMeasures& scale : measures) {
    const std::vector<double> numbers = scale.statistics.ToVector<double>();
    const std::vector<float> rewards = scale.rewards.ToVector<float>();
    double sum = 0;
    for (float reward : rewards) sum += reward;
    const double mean = rewards.empty() ? 0 : sum / static_cast<double>(rewards.size());
    const autograd::Shape& groups = scale.rewards.shape();
    report.scales.push_back({scale.stride, scale.loss.Item(), mean, MeanDeviation(rewards, groups[0], groups[1]),
                             numbers.at(3), numbers.at(0), numbers.at(1), numbers.at(2)});
    report.mean_reward += mean / static_cast<double>(measures.size());
  }
  return report;
}

absl::StatusOr<RssResult> RssLoss(const Variable& logits, const RssBatch& batch, Reward& reward,
                                  const RssOptions& options, double progress, const RandomKey& key,
                                  Collective& collective) {
  const std::vector<ScaledLogits> grids = OnGrids(logits, batch.height, batch.width, options.scales, progress);
  const absl::StatusOr<Rollout> rollout = DrawRollout(grids, batch, reward, options, key, collective);
  if (!rollout.ok()) return rollout.status();
  return RolloutLoss(grids, *rollout, options);
}

}  // namespace rl
