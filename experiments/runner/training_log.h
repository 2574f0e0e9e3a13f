#pragma once

// What a training run shows and keeps of its steps: the progress line, log.csv, TensorBoard's events, and the curves of its report.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/runner/csv_log.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/progress.h"
#include "experiments/runner/run_directory.h"
#include "experiments/runner/tensorboard_writer.h"

namespace experiments {

// Numbers shown and logged, such as {"reward", 0.71}.
using NamedValues = std::vector<std::pair<std::string, double>>;

struct CurvePoint {
  int64_t step;
  double value;
};

struct TrainingCurves {
  std::vector<CurvePoint> loss, mean_iou;
  std::vector<std::pair<std::string, std::vector<CurvePoint>>> values;  // of the objective, by name
};

// What an optimizer step came to.
struct StepNumbers {
  double loss = 0, learning_rate = 0, gradient_norm = 0;
  NamedValues values;  // of the objective
};

class TrainingLog {
 public:
  struct Options {
    std::string title;                    // in front of the first line, such as "PSL: 2000 steps of 16 images"
    int64_t first_step = 0;               // steps done before
    int64_t steps = 0;                    // of the whole run
    int64_t log_every = 10;               // steps between the rows and the points of the curves
    std::optional<int64_t> resumed_step;  // files go on after it
  };

  // Writes into `directory` and to standard error.
  static absl::StatusOr<std::unique_ptr<TrainingLog>> Open(const RunDirectory& directory, const Options& options);
  // Keeps the curves alone: for ranks other than the first.
  static std::unique_ptr<TrainingLog> Silent(const Options& options);

  // After `step` steps. Rows and points are added every `log_every` steps and after the last one.
  absl::Status Step(int64_t step, const StepNumbers& numbers);
  absl::Status Evaluated(int64_t step, const Evaluation& evaluation);
  // Redraws the progress line with the latest of both.
  void Show(int64_t step);
  // Leaves the progress line.
  void Finish();
  // Everything has reached the files.
  absl::Status Flush();

  const TrainingCurves& curves() const { return curves_; }

 private:
  explicit TrainingLog(const Options& options) : options_(options) {}
  void AddToCurve(const std::string& name, int64_t step, double value);

  const Options options_;
  TrainingCurves curves_;
  StepNumbers latest_;
  double latest_reward_ = std::numeric_limits<double>::quiet_NaN();
  double latest_mean_iou_ = std::numeric_limits<double>::quiet_NaN();
  // Null on silent ranks.
  std::unique_ptr<CsvLog> rows_;
  std::unique_ptr<TensorBoardWriter> events_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace experiments
