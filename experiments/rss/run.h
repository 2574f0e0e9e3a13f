#pragma once

// Runs one RunOptions from data to scores.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/collective/collective.h"
#include "data/datasets/dataset.h"
#include "experiments/rss/run_options.h"
#include "experiments/runner/interrupt.h"
#include "experiments/runner/training.h"

namespace experiments::rss {

// A validation image with its label and what the trained network says.
struct Example {
  data::Image image;
  data::LabelMap label, prediction;
};

struct RunResult {
  RunOptions options;
  TrainingResult training;
  data::DatasetInfo dataset;
  std::string data_description;
  std::vector<Example> examples;
  int64_t parameters = 0;
  std::optional<double> multi_scale_mean_iou;  // where RunOptions::multi_scale asked for it
};

// Trains and evaluates, and writes weights.safetensors and pictures into the run's directory.
absl::StatusOr<RunResult> Run(const RunOptions& options, autograd::Collective& collective,
                              const InterruptHandler& interrupt);

// A run's final scores in a small JSON file, so that a table can be continued, or printed again, without training again.
struct RunScores {
  double mean_iou = 0, pixel_accuracy = 0, seconds = 0;
  int64_t steps = 0;
  std::vector<CurvePoint> curve;  // validation mIoU
  std::optional<double> multi_scale_mean_iou = {};
};
absl::Status WriteScores(const std::string& directory, const RunResult& result);
// NotFound when the run has not ended; InvalidArgument when it ended with other settings than `options`.
absl::StatusOr<RunScores> ReadScores(const RunOptions& options);

}  // namespace experiments::rss
