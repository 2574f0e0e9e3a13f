#pragma once

// Targets: datasets that a trained network is scored on as it is, without their images or statistics in training
// (Table 4 of the paper). They are opened before training, so that a wrong one costs nothing; their images are read
// after it.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "experiments/latent/options.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/network.h"
#include "experiments/runner/run.h"

namespace experiments::latent {

struct Target {
  std::string name;  // in front of its scores: "night mIoU"
  DataOptions options;
  EvaluationData data = {};  // of OpenTargets
};

// What --target says: "scenes:night" (its name is the light's), "NAME=DIR" or "NAME:DIR" for a dataset with files, and
// "NAME" for one whose files are below --data_root. WrongFlag names the text at fault, or two targets of one name.
absl::StatusOr<std::vector<Target>> ParseTargets(const LatentOptions& options);

// The names of the scores that a table shows of the targets; none of a text that ParseTargets refuses.
std::vector<std::string> TargetColumns(const LatentOptions& options);

// The targets of `options`, with their inference, each on the split that its recipe scores. WrongFlag where a target's
// classes are not those of `source`, by name and order. LIP and CIHP share all but class 10, and are taken for equal:
// their scores with and without it are both there.
absl::StatusOr<std::vector<Target>> OpenTargets(const LatentOptions& options, const data::DatasetInfo& source);

// Scores all targets, each with its own kit's scorer: "NAME mIoU" and what else the scorer gives, behind the record's
// scores. Leaves a few predictions as pictures/NAME_1.png, …, and label pixels and IoU of every class in targets.csv,
// in the run's folder. A run that is stopped meanwhile is an interrupted one.
absl::Status ScoreTargets(Network& network, const std::vector<Target>& targets, const TrainingOptions& training,
                          const RunContext& context, RunRecord& record);

}  // namespace experiments::latent
