#pragma once

// The training loop that every experiment shares: batches, forward, objective, backward, clipping, optimizer, moving average,
// evaluation, logs, checkpoints. What is learnt from, labels or rewards, is the Objective's business.
//
// Everything that the next step depends on is in the checkpoint or is a pure function of the step, so a resumed run is
// equal, bit for bit, to one that was never stopped.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "autograd/core/variable.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset.h"
#include "data/loaders/loader.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/segmenter.h"
#include "experiments/runner/training_log.h"

namespace experiments {

// What an objective may look at.
struct StepView {
  int64_t step;
  int update;  // 0 … inner_updates - 1 of this step; all see the same batch and key
  int64_t total_steps;
  const data::Batch& batch;
  const autograd::Array& labels;  // uint8 [N, H, W] of the batch, where the logits are
  autograd::Variable auxiliary;   // logits [N, h', w', K] of the network's auxiliary head; undefined where it has none
  autograd::RandomKey key;        // of this step's objective
  autograd::Collective& collective;
};

struct StepResult {
  autograd::Variable loss;  // scalar
  // Reads them back from the device, so it is called after the step is done; may be null.
  std::function<NamedValues()> report;
};

struct Objective {
  // From the logits [N, h, w, K] of the batch's images to the loss.
  std::function<absl::StatusOr<StepResult>(const autograd::Variable& logits, const StepView& view)> evaluate;
  // Every step reads nothing back and queues the same kernels as others of its phase, so that it can be recorded: TrainingOptions::capture.
  bool recordable = false;
  // The phase of a step, where there is more than one: a recording serves the steps of one.
  std::function<int64_t(int64_t step, int64_t total_steps)> phase = nullptr;
};

enum class OptimizerKind { kAdamW, kSgd };

struct TrainingOptions {
  std::string label;      // in front of the progress line, such as "PSL"
  std::string directory;  // everything the run writes
  bool resume = false;
  uint64_t seed = 0;

  int64_t steps = 1000;
  int batch_size = 16;  // of this rank
  int loader_threads = 1;
  data::TransformPipeline augmentation;
  int crop_height = 64, crop_width = 64;

  OptimizerKind optimizer = OptimizerKind::kAdamW;
  double learning_rate = 1e-3;
  int64_t warm_up_steps = 50;
  double power = 0.9;  // of the polynomial decay to zero
  double weight_decay = 0.01;
  double momentum = 0.9;         // SGD
  double last_layer_factor = 1;  // of the learning rate (RSS, Table 3)
  double clip_norm = 1;          // of the whole gradient; 0 does not clip
  double average_decay = 0;      // of the evaluated moving average; 0 evaluates the weights themselves
  int inner_updates = 1;         // optimizer steps per batch of samples (μ of GRPO)
  // A step is recorded, once for each phase, and replayed (autograd/core/captured_step.h). Draws other random numbers than without.
  bool capture = false;

  int64_t evaluate_every = 250;    // 0: only at the end
  int64_t evaluation_images = 0;   // 0: all
  int64_t checkpoint_every = 500;  // 0: only at the end and on Ctrl-C
  int64_t log_every = 10;
  InferenceOptions inference;
};

// What one rank brought to all-reduces and broadcasts, on average over the steps.
struct TrafficOfAStep {
  std::string operation;
  double calls = 0, bytes = 0;
};

struct TrainingResult {
  bool interrupted = false;
  int64_t steps = 0;   // done, with those before a resume
  double seconds = 0;  // of this call
  double images_per_second = 0;
  Evaluation evaluation;                // after the last step
  std::vector<TrafficOfAStep> traffic;  // of this call; empty with one rank
  TrainingCurves curves;
};

// Trains `segmenter` on `training` and evaluates it on `validation`. Errors: data (naming the file), a folder that cannot be
// written, a checkpoint of another run, and a loss or gradient that is not finite: then the state before that step is
// saved and the message says which step it was.
absl::StatusOr<TrainingResult> Train(const TrainingOptions& options, Segmenter& segmenter,
                                     const data::Dataset& training, const data::Dataset& validation,
                                     const Objective& objective, autograd::Collective& collective,
                                     const InterruptHandler& interrupt);

}  // namespace experiments
