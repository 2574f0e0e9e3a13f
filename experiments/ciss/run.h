#pragma once

// The CiSS-Net programs: their rows, and how one is run.

#include "absl/status/statusor.h"
#include "experiments/ciss/options.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/run.h"

namespace experiments::ciss {

// Trains and evaluates, and writes weights.safetensors and pictures into the run's folder.
absl::StatusOr<RunRecord> Run(const CissOptions& options, const RunContext& context);

// The parts that the programs share; each adds its name, usage, dataset and tables.
Experiment<CissOptions> BaseExperiment();

}  // namespace experiments::ciss
