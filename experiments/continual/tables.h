#pragma once

// Table 3 of "Latent-space reinforcement learning for semantic segmentation", with the paper's numbers, and the
// controls that it lacks.

#include "experiments/continual/options.h"
#include "experiments/runner/table.h"

namespace experiments::continual {

// Fine-tuning, PLOP alone and with a latent policy, and all classes at once.
Table<ContinualOptions> Methods(const ContinualOptions& base);

// One protocol of Table 3 by its place there, 0 to 2: 15-5, 15-1 and 10-1 on VOC, 100-50, 100-10 and 100-5 on ADE20K,
// and their twins on the embedded scenes, 13-5, 13-1 and 9-1; on CamVid, 6-5 alone. With the floor, the ceiling, MiB,
// PLOP with the other reading of its thresholds, and the controls of the policy.
enum class Quoted { kVoc2012, kAde20k };
template <Quoted kQuoted, int kPlace>
Table<ContinualOptions> TableThree(const ContinualOptions& base);

}  // namespace experiments::continual
