#pragma once

// Learning a segmentation network from one score a map (RSS, section 3.2). A step is
//
//   auto result = RssLoss(model(images), {ids, height, width}, reward, options, progress, key.Split(step), collective);
//   tape.Backward(result->loss);
//
// For each scale in use: average the logits to the scale's grid, draw group_size maps, have each scored as a map of the
// full size, turn scores into advantages (a GRPO advantage for the whole map, or pair-wise spatial differences), and
// take the policy gradient at the grid. The scales' losses are summed. The pieces are functions of their own, for
// several updates a rollout:
//
//   auto grids = OnGrids(logits, …);
//   auto rollout = DrawRollout(grids, …);               // once, with keep_old_log_probability
//   result = RolloutLoss(grids, *rollout, options);     // each update: forward, grids, loss, backward

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/tape.h"
#include "autograd/runtime/random.h"
#include "rl/estimators/group_relative_advantage.h"
#include "rl/estimators/pairwise_spatial_difference.h"
#include "rl/estimators/posterior_credit.h"
#include "rl/objectives/categorical_surrogate.h"
#include "rl/rollouts/reward.h"
#include "rl/rss/counterfactual.h"
#include "rl/rss/scales.h"

namespace rl {

enum class Credit {
  kWholeMap,  // GRPO: a map's advantage goes to all its cells (the paper's naive pipeline, at stride 1)
  kPairwise,  // PSD: the difference of two maps' scores goes to the cells where they differ
  // Scores as evidence for what a cell shows (rl/estimators/posterior_credit.h), not in the paper; needs no entropy
  // bonus.
  kPosterior,
};

struct RssOptions {
  int64_t group_size = 8;  // maps drawn for an image, at every scale
  std::vector<RewardScale> scales = DefaultScales();
  Credit credit = Credit::kPairwise;
  Normalization normalization = Normalization::kNonZero;  // of kPairwise
  Deviation deviation = Deviation::kPopulation;           // of kWholeMap
  // Maps are drawn from softmax(sharpness·logits), the policy itself with 1. Policy gradients need that (another value
  // is an Error); evidence may come from anywhere, and maps nearer to the most probable one differ in fewer cells, so
  // that their scores say more about each.
  double sharpness = 1;
  CounterfactualOptions counterfactual;
  CategoricalSurrogateOptions surrogate;  // clip, entropy and divergence weights
  // Standard deviation and count of pair-wise differences over all ranks (as SyncAN does for pixel rewards) or over
  // this one's.
  bool synchronize_advantages = true;
  // Needed when a rollout serves more than one update.
  bool keep_old_log_probability = false;
};

struct RssBatch {
  std::span<const int64_t> image_ids;  // b, handed to the reward
  int64_t height = 0, width = 0;       // of the maps to be scored
  // Optional, uint8 [b, height, width]: 0 at pixels known to lie outside the image (padding). A cell of such pixels
  // only gets no advantage. What the labels call void is the reward's secret and not known here.
  autograd::Array valid;
  autograd::Array reference_logits;  // optional, as logits: for divergence_weight
};

struct ScaledLogits {
  RewardScale scale;
  autograd::Variable logits;  // [b, grid_height, grid_width, k]
};

// The logits [b, h, w, k] on the grids of the scales in use at `progress` (0 … 1); an Error when there is none.
std::vector<ScaledLogits> OnGrids(const autograd::Variable& logits, int64_t height, int64_t width,
                                  const std::vector<RewardScale>& scales, double progress);

// What was drawn and earned at one scale. Arrays lie where the logits do: nothing here has waited for the device.
struct ScaleRollout {
  int64_t stride = 0;
  CategoricalSurrogateInputs inputs;
  autograd::Array count;  // what the surrogate is divided by: float64 [1], or undefined for all entries at valid cells
  autograd::Array rewards;  // float32 [n, b] of this rank's maps
};

struct Rollout {
  std::vector<ScaleRollout> scales;
  int64_t reward_queries = 0;  // maps scored for this rank
};

// Draws, scores and judges. All ranks draw what one rank with the whole batch would (given equally many images a rank),
// and with synchronize_advantages they get its advantages too. An error of the reward is returned as it is; ranks that
// do not meet it would wait for this one, so end the run.
absl::StatusOr<Rollout> DrawRollout(const std::vector<ScaledLogits>& grids, const RssBatch& batch, Reward& reward,
                                    const RssOptions& options, const autograd::RandomKey& key,
                                    autograd::Collective& collective);

struct ScaleReport {
  int64_t stride = 0;
  double loss = 0;
  double mean_reward = 0;       // of this rank's maps
  double reward_deviation = 0;  // mean over the images of the (biased) standard deviation within a group
  double credited = 0;          // the share of this rank's entries (map and cell) with a non-zero advantage
  double entropy = 0;           // mean of the policy's at the grid
  double divergence = 0;        // mean KL from the reference
  double clipped = 0;           // share of entries whose ratio is clipped
};

struct RssReport {
  double mean_reward = 0;  // over the scales
  std::vector<ScaleReport> scales;
};

struct RssResult {
  autograd::Variable loss;  // []: Σ over scales of weight · loss
  int64_t reward_queries = 0;
  // What the report is made of, still on the device.
  struct ScaleMeasures {
    int64_t stride = 0;
    autograd::Array loss, rewards, statistics;
  };
  std::vector<ScaleMeasures> measures;

  // Brings the numbers to the host and so waits for the device: call it after Backward, and only when somebody looks.
  RssReport Report() const;
};

// Pure; `grids` as they were for the rollout but for the parameters behind them.
RssResult RolloutLoss(const std::vector<ScaledLogits>& grids, const Rollout& rollout, const RssOptions& options);

absl::StatusOr<RssResult> RssLoss(const autograd::Variable& logits, const RssBatch& batch, Reward& reward,
                                  const RssOptions& options, double progress, const autograd::RandomKey& key,
                                  autograd::Collective& collective);

}  // namespace rl
