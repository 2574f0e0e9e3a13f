#pragma once

// What each kind of supervision makes of a batch.

#include <memory>

#include "experiments/rss/options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/objective.h"

namespace experiments::rss {

// PSL: cross-entropy on logits resized to the labels, plus auxiliary_weight times that of each auxiliary head. RSS,
// pixel level: rl::PixelRewardLoss. RSS, image level: rl::RssLoss, whose learner sees the batch's images and scores,
// never its labels: those stay inside the reward (experiments/rewards). `network` must outlive the objective.
std::unique_ptr<Objective> MakeObjective(const RssOptions& options, Network& network);

}  // namespace experiments::rss
