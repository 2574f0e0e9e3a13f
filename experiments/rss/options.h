#pragma once

// One run of the RSS experiments as a value. Presets are functions that return one (the base, then what differs).

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/rewards/image_reward.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/training_options.h"
#include "experiments/settings/settings.h"
#include "rl/estimators/normalization.h"
#include "rl/rss/rss_loss.h"

namespace experiments::rss {

// What the learner sees. Names are the paper's: PSL is pixel-level supervised learning.
enum class Supervision {
  kLabels,       // PSL: cross-entropy
  kPixelReward,  // RSS, pixel level: 1 for each right pixel (paper §3.1)
  kImageReward,  // RSS, image level: one mIoU per sampled map (paper §3.2)
};

// Which classes count in a map's mIoU.
enum class RewardClasses { kTruth, kUnion };

struct RssOptions {
  DataOptions data;
  NetworkSettings network;
  TrainingOptions training;
  GradientOptions gradient;
  WindowFlags windows;
  Supervision supervision = Supervision::kImageReward;
  // Of the cross-entropy of each auxiliary head (mmseg: 0.4). Networks that learn from labels have them where it is
  // above 0; those that learn from rewards never have any.
  double auxiliary_weight = 0;

  int group_size = 16;                   // N, maps per image and scale
  std::vector<int> scales = {16, 8, 4};  // side of a cell in pixels; 1 samples at full resolution
  rl::Credit credit = rl::Credit::kPairwise;
  rl::Normalization normalization = rl::Normalization::kNonZero;  // of PSD (spec/rss.md §2)
  double sharpness = 2;                                           // of the policy that draws, with posterior credit
  bool progressive = false;                                       // coarse scales first
  double resampled_share = 0;                                     // > 0: counterfactual pairs
  double clip = 0.2;                                              // of the probability ratio (ε of GRPO)
  double divergence_weight = 0;
  double entropy_weight = 0;            // with policy gradients, so not with posterior credit
  bool synchronized_advantages = true;  // SyncAN
  RewardClasses reward_classes = RewardClasses::kTruth;
  ExternalRewardOptions reward;  // a program that scores whole maps in place of their labels' mIoU
  bool multi_scale = false;      // the trained network is scored with several scales and mirrored images as well

  void Settings(SettingVisitor& visitor);
};

// quick: embedded scenes on a CPU in minutes; camvid: real photographs on a CPU in an hour; paper: what the paper
// trains on `dataset`, for a GPU.
absl::StatusOr<RssOptions> Preset(absl::string_view preset, absl::string_view dataset);

// The same run with labels in place of rewards: nothing else differs.
RssOptions SupervisedTwin(const RssOptions& options);

}  // namespace experiments::rss
