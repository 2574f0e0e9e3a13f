#pragma once

// The latent-space programs: their rows, and how one is run.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/latent/options.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"

namespace experiments::latent {

// Trains and evaluates, and writes weights.safetensors, pictures and, for a policy, deviations.png into the run's
// folder.
absl::StatusOr<RunRecord> Run(const LatentOptions& options, const RunContext& context);

// What a row cannot do: a WrongFlag.
absl::Status Check(const std::string& row, const LatentOptions& options);
// options.gradient with the factors of the rate that depend on the network.
GradientOptions GradientOf(const LatentOptions& options, Network& network);

// The parts that the programs share; each adds its name, usage, dataset and tables.
Experiment<LatentOptions> BaseExperiment();

}  // namespace experiments::latent
