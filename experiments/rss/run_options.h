#pragma once

// One training run of the RSS experiments as a value: which data, network, supervision and schedule. Presets are functions that
// return one (the base, then what differs), so they compile, diff and print.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/runner/dataset_choice.h"
#include "experiments/runner/training.h"

namespace experiments::rss {

// What the learner sees. Names are the paper's: PSL is pixel-level supervised learning.
enum class Supervision {
  kLabels,       // PSL: cross-entropy
  kPixelReward,  // RSS, pixel level: 1 for each right pixel (paper §3.1)
  kImageReward,  // RSS, image level: one mIoU per sampled map (paper §3.2)
};

enum class AdvantageKind {
  kGroupRelative,              // GRPO: the map's normalised reward at every cell (the naive pipeline)
  kPairwiseSpatialDifference,  // PSD
  kPosterior,                  // scores as evidence in Bayes' rule (docs/rss_convergence.md)
};

// Over what PSD's advantages are scaled (spec/rss.md §2).
enum class Normalisation { kNonZero, kAll, kNone };

struct RunOptions {
  std::string name = "RSS image";
  DatasetChoice data;
  std::string model = "micro";                     // by name (experiments/runner/network.h)
  autograd::DType precision = autograd::kFloat32;  // of the activations; weights and statistics stay float32
  std::optional<double> drop_path;                 // of stochastic depth; unset: the encoder's own
  // Of the cross-entropy of an auxiliary head (mmseg: 0.4). Networks that learn from labels have the head where it is above 0; those that
  // learn from rewards never have it.
  double auxiliary_weight = 0;
  Supervision supervision = Supervision::kImageReward;

  // Rewards
  int samples = 16;                      // N, maps per image and scale
  std::vector<int> scales = {16, 8, 4};  // side of a cell in pixels; 1 samples at full resolution
  AdvantageKind advantage = AdvantageKind::kPairwiseSpatialDifference;
  Normalisation normalisation = Normalisation::kNonZero;
  double sharpness = 2;        // of the policy that draws, with kPosterior
  bool union_classes = false;  // mIoU over classes of the label or the map; default: of the label
  bool progressive = false;    // coarse scales first
  double resampled_share = 0;  // > 0: counterfactual pairs
  double clip = 0.2;
  double divergence_weight = 0;
  double entropy_weight = 0;            // with policy gradients, so not with kPosterior
  bool synchronized_advantages = true;  // SyncAN
  // A program that scores whole maps in place of their labels' mIoU (docs/external_reward.md); empty: there is none.
  std::string reward_command;
  std::string reward_directory;  // where it is started
  double reward_timeout = 300;   // seconds a request may take; 0: any time
  int reward_restarts = 1;       // of a program that died or hung, for one request

  TrainingOptions training;
  bool multi_scale = false;  // scores the trained network with several scales and mirrored images as well
  std::string cold_start;    // checkpoint of another run: every tensor that fits
  std::string init_weights;  // public weights of the encoder alone
};

// quick: embedded scenes on a CPU in minutes; camvid: real photographs on a CPU in an hour; paper: what the paper trains on `dataset`, for a GPU.
absl::StatusOr<RunOptions> Preset(absl::string_view preset, absl::string_view dataset);

// The same run with labels in place of rewards: nothing else differs.
RunOptions SupervisedTwin(const RunOptions& options);

// For reports: every setting with its value.
std::vector<std::pair<std::string, std::string>> Describe(const RunOptions& options);

}  // namespace experiments::rss
