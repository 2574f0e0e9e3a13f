#pragma once

// Reinforcement learning for maps of actions, in one header: policies, advantage estimators, objectives, rewards, and
// reward in semantic segmentation (RSS).

#include "rl/estimators/baseline.h"                     // IWYU pragma: export
#include "rl/estimators/group_relative_advantage.h"     // IWYU pragma: export
#include "rl/estimators/masked_mean.h"                  // IWYU pragma: export
#include "rl/estimators/moments.h"                      // IWYU pragma: export
#include "rl/estimators/normalized_advantages.h"        // IWYU pragma: export
#include "rl/estimators/pairwise_spatial_difference.h"  // IWYU pragma: export
#include "rl/estimators/posterior_credit.h"             // IWYU pragma: export
#include "rl/estimators/returns.h"                      // IWYU pragma: export
#include "rl/objectives/categorical_surrogate.h"        // IWYU pragma: export
#include "rl/objectives/clipped_surrogate.h"            // IWYU pragma: export
#include "rl/objectives/policy_gradient.h"              // IWYU pragma: export
#include "rl/objectives/value_loss.h"                   // IWYU pragma: export
#include "rl/policies/categorical.h"                    // IWYU pragma: export
#include "rl/policies/diagonal_gaussian.h"              // IWYU pragma: export
#include "rl/rollouts/external_reward.h"                // IWYU pragma: export
#include "rl/rollouts/reward.h"                         // IWYU pragma: export
#include "rl/rss/counterfactual.h"                      // IWYU pragma: export
#include "rl/rss/pixel_reward_loss.h"                   // IWYU pragma: export
#include "rl/rss/rss_loss.h"                            // IWYU pragma: export
#include "rl/rss/scales.h"                              // IWYU pragma: export
