#pragma once

// The continual programs: their rows, and how one is run.

#include "absl/status/statusor.h"
#include "experiments/continual/options.h"
#include "experiments/runner/experiment.h"
#include "experiments/runner/run.h"

namespace experiments::continual {

// Teaches the tasks one after the other, each a run of its own in task_1, task_2, … of the run's folder, with its
// checkpoints, log, pictures and weights.safetensors. A task that is finished is not run again; the last one is gone on
// with. Besides, the run's folder has classes.csv and classes.png: the IoU of every class after every task.
// context.start_weights, or --cold_start, where one is given, is a network that has learnt the first task: an
// InvalidArgument names it where its classes are not the task's.
//
// The scores are the last task's (scorer.h), "average", the mean of "all" over the tasks, and "forgetting".
absl::StatusOr<RunRecord> Run(const ContinualOptions& options, const RunContext& context);

// The parts that the programs share; each adds its name, usage, dataset and tables.
Experiment<ContinualOptions> BaseExperiment();

}  // namespace experiments::continual
