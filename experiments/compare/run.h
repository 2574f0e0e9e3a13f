#pragma once

// Labels, labels by class, RSS, CiSS-Net and the latent policy: one network, one dataset, one budget.

#include "absl/status/statusor.h"
#include "experiments/compare/options.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/run.h"
#include "experiments/runner/table.h"

namespace experiments::compare {

absl::StatusOr<RunRecord> Run(const CompareOptions& options, const RunContext& context);

// The rows. Those of CiSS-Net spend half of the steps on features and half on context.
Table<CompareOptions> Methods(const CompareOptions& base);

Experiment<CompareOptions> TheExperiment();

}  // namespace experiments::compare
