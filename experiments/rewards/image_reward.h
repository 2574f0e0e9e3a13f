#pragma once

// Where the scores of whole maps come from: the labels (MeanIouReward), or a program of the user's
// (--reward=exec:COMMAND).

#include <functional>
#include <memory>
#include <string>

#include "data/loaders/loader.h"
#include "experiments/runner/objective.h"
#include "experiments/settings/settings.h"
#include "rl/rollouts/reward.h"
#include "seg/metrics/class_counts.h"

namespace experiments {

// A program that scores whole maps (docs/external_reward.md).
struct ExternalRewardOptions {
  std::string command;    // empty: there is none
  std::string directory;  // where it is started
  double timeout = 300;   // seconds a request may take; 0: any time
  int restarts = 1;       // of a program that died or hung, for one request

  void Settings(SettingVisitor& visitor);
};

struct ImageReward {
  std::unique_ptr<rl::Reward> reward;  // image ids are slots of the batch
  std::function<void(const StepView& view)> set_batch;
};
// `class_set`: which classes count in the mIoU of a map against its label.
ImageReward MakeImageReward(const ExternalRewardOptions& options, int classes, seg::ClassSet class_set);

// What a program is told of the image in `slot`: the sample's id and, each behind a tab, the steps of its geometry
// (data/transforms/transform.h), such as "0001TP_006690\tresize 270 360\tcrop 12 100 128 128\tmirror".
std::string ImageName(const data::Batch& batch, int slot);

}  // namespace experiments
