#pragma once

// Everything a run needs to go on exactly where it stopped: weights, running statistics, optimizer, moving average, step and seed.
// Random keys and the data position are functions of seed and step. One .safetensors file, "model." in front of the network's
// public names.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "experiments/runner/segmenter.h"
#include "nn/module.h"
#include "nn/optimizers/moving_average.h"
#include "nn/optimizers/optimizer.h"

namespace experiments {

struct TrainingState {
  Segmenter& segmenter;
  nn::Optimizer& optimizer;
  nn::MovingAverage* average = nullptr;  // none
  uint64_t seed = 0;
  int64_t step = 0;

  void Fields(nn::FieldVisitor& visitor);
};

// Atomic: a full disk or a crash leaves the previous file as it was.
absl::Status SaveTrainingState(const std::string& path, TrainingState& state);

// FailedPrecondition when the file is of another network or seed; DataLoss or InvalidArgument when it is damaged. On an error
// the state is unchanged.
absl::Status LoadTrainingState(const std::string& path, TrainingState& state);

}  // namespace experiments
