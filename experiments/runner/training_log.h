#pragma once

// What a training run shows and keeps of its steps: the progress line, log.csv, TensorBoard's events, and the curves of
// its report.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "experiments/report/csv_log.h"
#include "experiments/report/progress.h"
#include "experiments/report/tensorboard_writer.h"
#include "experiments/runner/curves.h"
#include "experiments/runner/run_folder.h"

namespace experiments {

class TrainingLog {
 public:
  struct Options {
    std::string title;                     // in front of the first line, such as "PSL: 2000 steps of 16 images"
    int64_t first_step = 0;                // steps done before
    int64_t steps = 0;                     // of the whole run
    int64_t log_every = 10;                // steps between the rows and the points of the curves
    std::optional<int64_t> resumed_step;   // files go on after it
    std::vector<std::string> score_names;  // of the evaluations, the most important one first
  };

  // Writes into `folder` and to standard error.
  static absl::StatusOr<std::unique_ptr<TrainingLog>> Open(const RunFolder& folder, const Options& options);
  // Keeps the curves alone: for ranks other than the first.
  static std::unique_ptr<TrainingLog> Silent(const Options& options);

  // After `step` steps. Rows and points are added every `log_every` steps and after the last one.
  absl::Status Step(int64_t step, const StepNumbers& numbers);
  absl::Status Evaluated(int64_t step, const std::vector<Score>& scores);
  // Redraws the progress line with the latest of both.
  void Show(int64_t step);
  // A line of text above the progress line.
  void Say(const std::string& text);
  // Leaves the progress line.
  void Finish();
  // Everything has reached the files.
  absl::Status Flush();

  // Whether log.csv is there, without any score of that step: the run was killed between the step and the end of its
  // evaluation. Asked before the first row is added.
  bool LacksScores(int64_t step) const;

  const TrainingCurves& curves() const { return curves_; }

 private:
  explicit TrainingLog(const Options& options) : options_(options) {}
  // log.csv has a column for each number: loss, the objective's values, the scores, learning rate, norm of the
  // gradient. It is opened at its first row, since the first step says which values there are.
  absl::Status AddRow(int64_t step, const NamedValues& values);

  const Options options_;
  TrainingCurves curves_;
  StepNumbers latest_;
  std::vector<Score> latest_scores_;
  std::string log_path_;  // empty on silent ranks, as the next two are null
  std::unique_ptr<TensorBoardWriter> events_;
  std::unique_ptr<Progress> progress_;
  std::vector<std::string> columns_;
  std::unique_ptr<CsvLog> rows_;
};

}  // namespace experiments
