#pragma once

// Collects the runs of a table and shows them: text for the terminal, results.csv, report.html.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "experiments/report/report.h"
#include "experiments/report/text_table.h"
#include "experiments/runner/run.h"
#include "experiments/runner/table.h"

namespace experiments {

struct ResultsHeader {
  std::string title;    // of the page
  std::string dataset;  // by which published numbers are told from others, "pascal_context"
  std::string data;     // one line about it
  std::string folder;   // of the page
  std::string command;  // that repeats the run
  std::vector<std::pair<std::string, std::string>> settings;
};

class Results {
 public:
  Results(TableDescription table, std::vector<RowDescription> rows, ResultsHeader header);

  // Of one more seed. A record that was read back has no pictures.
  void Add(const std::string& folder, const RunRecord& record);

  // The table with mean ± standard deviation in per cent, the time a run took, and the shares of reference rows.
  std::string Text() const;
  // results.csv and report.html in the folder, atomically; called after every run.
  absl::Status Write() const;

 private:
  std::vector<double> Percents(size_t row, const std::string& column) const;
  // Mean of the table's first column.
  std::optional<double> Mean(size_t row) const;
  std::optional<size_t> Reference(size_t row) const;
  TableRows Rows() const;
  // About the last row with a reference: the full method in every table.
  std::optional<std::string> Share() const;
  std::string Notes() const;
  // Predictions and IoU by class of the targets that the rows were scored on.
  void AddTargets(Report& report) const;

  const TableDescription table_;
  const std::vector<RowDescription> rows_;  // the shown ones
  const ResultsHeader header_;
  std::vector<std::vector<RunRecord>> records_;  // by row and seed
};

}  // namespace experiments
