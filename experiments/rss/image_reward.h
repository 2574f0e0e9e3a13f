#pragma once

// Where the scores of whole maps come from: the labels (MeanIouReward), or a program of the user's (--reward=exec:COMMAND).

#include <functional>
#include <memory>
#include <string>

#include "data/loaders/loader.h"
#include "experiments/rss/run_options.h"
#include "experiments/runner/training.h"
#include "rl/rollouts/reward.h"

namespace experiments::rss {

struct ImageReward {
  std::unique_ptr<rl::Reward> reward;  // image ids are slots of the batch
  std::function<void(const StepView& view)> set_batch;
};
ImageReward MakeImageReward(const RunOptions& options, int classes);

// What a program is told of the image in `slot`: the sample's id and, each behind a tab, the steps of its geometry
// (data/transforms/transform.h), such as "0001TP_006690\tresize 270 360\tcrop 12 100 128 128\tmirror".
std::string ImageName(const data::Batch& batch, int slot);

}  // namespace experiments::rss
