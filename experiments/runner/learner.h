#pragma once

// How steps change a network. A learner owns its step; Train (training.h) owns the run and knows no gradient.

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "experiments/runner/curves.h"
#include "nn/module.h"
#include "nn/optimizers/moving_average.h"

namespace experiments {

// Called after each step with the number of steps done and what the step came to; false asks the learner to stop there.
// An error ends the run.
using StepSink = std::function<absl::StatusOr<bool>(int64_t step, const StepNumbers& numbers)>;

class Learner {
 public:
  virtual ~Learner() = default;

  // Steps first … last - 1, unless `done` asks for a stop; gives the number of steps done. After an error everything in
  // Fields is as it was after the last step that `done` was told of.
  virtual absl::StatusOr<int64_t> Run(int64_t first, int64_t last, const StepSink& done) = 0;
  // All that the next step depends on and that is no function of the step: the network as "model", and what belongs to
  // the learner.
  virtual void Fields(nn::FieldVisitor& visitor) = 0;
  // What is evaluated in place of the weights themselves; null when there is none.
  virtual nn::MovingAverage* average() { return nullptr; }
  // Lines about the steps so far for the end of a run, such as the staleness of gradients.
  virtual std::string Summary() const { return ""; }
};

}  // namespace experiments
