#pragma once

// The flags of programs that run a trained network over images: --multi_scale, --scales, --flip, --window, --stride, --average_logits.

#include "absl/status/statusor.h"
#include "experiments/runner/evaluation.h"

namespace experiments {

// `defaults` has one scale, of which those of --scales are shares, and says what is averaged where --average_logits does not.
// InvalidArgument names the flag.
absl::StatusOr<InferenceOptions> InferenceFromFlags(const InferenceOptions& defaults);

}  // namespace experiments
