#pragma once

// One run of the CiSS-Net experiments as a value. Presets are functions that return one (the base, then what differs).

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/inference_flags.h"
#include "experiments/runner/network_settings.h"
#include "experiments/runner/training_options.h"
#include "experiments/settings/settings.h"
#include "seg/models/context_rule.h"

namespace experiments::ciss {

struct CissOptions {
  DataOptions data;
  NetworkSettings network;
  TrainingOptions training;
  GradientOptions gradient;
  WindowFlags windows;
  int workers = 1;  // asynchronous actor-learners

  // What the features come from: labels alone, on a PSPNet. Then nothing below counts but auxiliary_weight.
  bool pretraining = false;
  int64_t pretraining_steps = 1000;  // of the row that the others have their features from
  double auxiliary_weight = 0.4;

  // Of the evaluations. Training's contexts follow its rule, too; an agent's are drawn there.
  seg::ContextInference context;
  int rollout = 4;                 // T
  bool greedy_rollout = false;     // S-Net learns from greedy contexts; those of the group are tried out
  int group_size = 1;              // contexts of one state
  double discount = 0.9;           // γ
  double segmentation_weight = 1;  // λ1
  double entropy_weight = 0.05;    // λ2
  double right_context = 0.4;      // β1
  double uncertain = 0.2;          // β2
  int reward_window = 11;          // C_h = C_w
  double initial_value = 0;        // V of an untrained critic
  bool normalized_advantages = false;
  bool drawn_labels = false;       // S-Net learns from labels that are drawn from the softmax, not its argmax
  double random_first = 0;         // share of the steps whose contexts are random, before C-Net learns
  double context_rate_factor = 1;  // of the learning rate, for Bias and C-Net
  bool analysis = true;            // of what was adopted, and test-time swaps, after the last step

  void Settings(SettingVisitor& visitor);
};

// quick: embedded scenes on a CPU in minutes; camvid: real photographs on a CPU; paper: what the paper trains on
// `dataset`, as it describes it, for a GPU.
absl::StatusOr<CissOptions> Preset(absl::string_view preset, absl::string_view dataset);

}  // namespace experiments::ciss
