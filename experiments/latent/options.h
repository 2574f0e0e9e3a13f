#pragma once

// One run of the latent-space experiments as a value. Presets are functions that return one (the base, then what
// differs).

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/latent_flags.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/training_options.h"
#include "experiments/settings/settings.h"
#include "rl/estimators/baseline.h"
#include "rl/policies/diagonal_gaussian.h"

namespace experiments::latent {

// What modulates the features in training.
enum class Source : uint8_t {
  kPolicy,  // draws of the policy
  kZero,    // nothing: attention of the features to themselves (Table 6, "L_seg only")
  kNoise,   // draws of N(0, noise_deviation²); the policy is not asked
};

// What the reward of an image weighs (equation 15).
struct RewardWeights {
  double iou = 1, dice = 1, cross_entropy = 1, boundary = 1;
};

struct LatentOptions {
  DataOptions data;
  NetworkSettings network;
  TrainingOptions training;
  GradientOptions gradient;
  WindowFlags windows;
  std::vector<std::string> targets;  // what the trained network is scored on as well (targets.h)
  double auxiliary_weight = 0;       // of each auxiliary head's cross-entropy; 0: no such head
  double head_rate_factor = 1;       // of the learning rate, for all but the encoder

  // False: the network without policy and modulation, from labels. Then nothing below counts.
  bool modulated = true;
  LatentSettings latent;

  Source source = Source::kPolicy;
  double noise_deviation = 1;
  bool frozen_policy = false;  // the policy stays as it was at first
  bool pathwise = true;        // the cross-entropy's gradient reaches the policy through its draws
  bool stop_latent = true;     // the policy reads z as a constant: no loss reaches the encoder through it

  double segmentation_weight = 1;  // of L_seg
  double policy_weight = 1;        // λ_P
  double divergence_weight = 1;    // λ_KL
  double beta = 1;                 // β of KL
  double soft_iou_weight = 0;      // of 1 − soft IoU, a reward that is differentiated in place of being sampled

  int draws = 1;  // of an image, each decoded
  rl::Baseline baseline = rl::Baseline::kMovingAverage;
  double baseline_decay = 0.9;  // τ
  double advantage_low = -1, advantage_high = 1;
  double reference_decay = 0.99;                   // η, of π_old's parameters
  double clip = 0.2;                               // ε
  rl::Reduction reduction = rl::Reduction::kMean;  // of log π over the numbers of a draw
  double largest_log_ratio = 20;                   // log(π/π_old) is held in ±it
  RewardWeights reward;
  double boundary_tolerance = 0.0075;  // share of the image's diagonal

  int64_t probe_every = 25;  // steps between measurements of what the policy's gradient is worth (probe.h); 0: none

  void Settings(SettingVisitor& visitor);
};

// quick: embedded scenes on a CPU in minutes; camvid: real photographs on a CPU; paper: the recipe of the network's
// family in SSSegmentation's model zoo for `dataset`, and the paper's own reading of the policy, for a GPU.
absl::StatusOr<LatentOptions> Preset(absl::string_view preset, absl::string_view dataset);

// Of Table 4: from one domain to others. quick: the embedded scenes by day, and by night, in haze and in another style;
// camvid: CamVid's sequences by day, and the one at dusk; paper: `dataset` is cityscapes or lip, and --target names the
// others. What SSSegmentation's zoo has no FCN for, LIP, has the steps and rates of VOC.
absl::StatusOr<LatentOptions> CrossDomainPreset(absl::string_view preset, absl::string_view dataset);

}  // namespace experiments::latent
