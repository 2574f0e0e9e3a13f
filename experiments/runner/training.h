#pragma once

// The course of a run, whatever learns in it: periods, evaluation, logs, checkpoints, resuming, stopping.
//
// Everything that the next step depends on is in the checkpoint or is a pure function of the step, so a resumed run is
// equal, bit for bit, to one that was never stopped.

#include <memory>

#include "absl/status/statusor.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/examples.h"
#include "experiments/runner/learner.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"
#include "experiments/runner/saved_network.h"
#include "experiments/runner/scorer.h"
#include "experiments/runner/training_options.h"

namespace experiments {

// Runs `learner` until options.steps, evaluates `network` (or its moving average) on data.validation, and writes logs
// and checkpoints into context.folder. `description` goes into every checkpoint, so that one can be evaluated by
// itself. Errors: a folder that cannot be written, a checkpoint of another network or of other settings, those of the
// learner and of the data; once a step was made, everything is saved before an error is given back.
absl::StatusOr<RunRecord> Train(const TrainingOptions& options, Learner& learner, Network& network,
                                const OpenedData& data, const NetworkDescription& description,
                                const RunContext& context, const ExamplePanels& panels = {});

}  // namespace experiments
