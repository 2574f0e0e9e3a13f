#pragma once

#include "absl/status/status.h"
#include "experiments/runner/network.h"

namespace experiments::continual {

// `grown`, of the same configuration but for more classes, takes over everything of `old`; the new rows of its last
// layer begin as MiB's rule has it (seg/continual/classifier_rule.h). FailedPrecondition, naming the tensor, where the
// two networks differ in more than the last layer's rows, or where that has no bias.
absl::Status GrowFrom(Network& old, Network& grown);

}  // namespace experiments::continual
