#pragma once

// The RSS programs: their rows, and how one is run.

#include "absl/status/statusor.h"
#include "experiments/rss/options.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/run.h"

namespace experiments::rss {

// Trains and evaluates, and writes weights.safetensors and pictures into the run's folder.
absl::StatusOr<RunRecord> Run(const RssOptions& options, const RunContext& context);

// The parts that the programs share; each adds its name, usage, dataset and default table.
Experiment<RssOptions> BaseExperiment();

}  // namespace experiments::rss
