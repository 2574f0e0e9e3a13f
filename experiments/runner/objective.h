#pragma once

// What a step learns from: an objective runs the network and makes a loss of what comes out.

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "autograd/core/variable.h"
#include "autograd/runtime/random.h"
#include "data/loaders/loader.h"
#include "experiments/runner/curves.h"
#include "nn/context.h"
#include "nn/module.h"

namespace experiments {

// What an objective may look at.
struct StepView {
  int64_t step, total_steps;
  int update;  // 0 … updates - 1 of this step; all see the same batch and keys
  const data::Batch& batch;
  const autograd::Array& images;  // float32 [N, H, W, 3], normalised, on the current stream's device
  const autograd::Array& labels;  // uint8 [N, H, W], there too
  nn::Context context;            // of the forward pass
  autograd::RandomKey key;        // of the objective's own draws
  autograd::Collective& collective;
};

struct StepResult {
  autograd::Variable loss;  // scalar
  // Reads the named values back from the device, so it is called after the step is done; may be null.
  std::function<NamedValues()> report;
};

class Objective {
 public:
  virtual ~Objective() = default;

  // What the optimizer moves, with its buffers.
  virtual nn::ModuleReference module() = 0;
  // Forward pass and loss, recorded on the caller's tape.
  virtual absl::StatusOr<StepResult> Loss(const StepView& view) = 0;
  // After each update of module(), also in a recorded step: for what follows it, such as an EMA reference. `sound`,
  // float64 [1] on the device, is 0 when the update was left out because a number was not finite.
  virtual void Updated([[maybe_unused]] const autograd::Array& sound) {}
  // State beside module(): saved and resumed with it, bit for bit.
  virtual void Fields(nn::FieldVisitor&) {}
  // Every step reads nothing back and queues the same kernels as others of its phase, so that it can be recorded
  // (GradientOptions::capture).
  virtual bool recordable() const { return false; }
  // A recording serves the steps of one phase.
  virtual int64_t Phase([[maybe_unused]] int64_t step, [[maybe_unused]] int64_t total_steps) const { return 0; }
};

}  // namespace experiments
