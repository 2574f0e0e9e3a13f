#pragma once

// Collects the runs of a table and shows them: text for the terminal, results.csv, report.html.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "experiments/rss/run.h"
#include "experiments/rss/run_options.h"
#include "experiments/rss/tables.h"

namespace experiments::rss {

class Results {
 public:
  // `command` repeats the run, for the report.
  Results(Table table, RunOptions base, std::string data, std::string folder, std::string command);

  void AddRun(size_t row, const RunResult& result);
  void AddScores(size_t row, const RunScores& scores);

  // The table with mean ± standard deviation of the validation mIoU in per cent, the time a run took, and RSS / PSL.
  std::string Text() const;
  // results.csv and report.html in the folder, atomically; called after every run.
  absl::Status Write() const;

 private:
  struct Row {
    std::vector<double> mean_iou, multi_scale_mean_iou, pixel_accuracy, seconds;
    std::vector<RunScores> scores;
    std::optional<RunResult> latest;
  };
  std::vector<std::vector<std::string>> Rows() const;
  // Mean mIoU of the row whose supervision the ratio of `row` is taken against: PSL with the same start.
  std::optional<double> Reference(size_t row) const;
  std::optional<std::string> Ratio() const;
  std::string Networks() const;

  Table table_;
  RunOptions base_;
  std::string data_, folder_, command_;
  std::vector<Row> rows_;
};

}  // namespace experiments::rss
