#pragma once

// What each kind of supervision makes of a batch's logits.

#include "experiments/rss/run_options.h"
#include "experiments/runner/training.h"

namespace experiments::rss {

// PSL: cross-entropy on logits resized to the labels, plus auxiliary_weight times that of the auxiliary head. RSS, pixel level:
// rl::PixelRewardLoss. RSS, image level: rl::RssLoss, whose learner sees the batch's images and scores, never its labels: those stay
// inside the reward (label_reward.h).
Objective MakeObjective(const RunOptions& options, int classes);

}  // namespace experiments::rss
