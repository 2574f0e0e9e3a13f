#pragma once

// Validation images with a network's predictions, for people to look at.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"

namespace experiments {

// Predicts the same few validation images at every call and writes folder/validation_1.png, …: image, label, prediction
// and errors side by side. Files of an earlier call are replaced.
absl::StatusOr<std::vector<Example>> WriteExamples(Network& network, const OpenedData& data, const std::string& folder);

}  // namespace experiments
