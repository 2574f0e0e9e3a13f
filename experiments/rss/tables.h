#pragma once

// The rows of the paper's Tables 1, 2 and 3 as runs, beside the numbers the paper prints.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "experiments/rss/run_options.h"

namespace experiments::rss {

struct TableRow {
  std::string name;
  std::string folder;           // of the row's runs, below the table's
  std::optional<double> paper;  // mIoU in per cent
  bool cold_start = false;
  RunOptions options;
};

struct Table {
  std::string title;
  std::vector<TableRow> rows;
  std::string note;  // printed below
};

// `number` is 1, 2 or 3; every row differs from `base` in what its name says.
absl::StatusOr<Table> MakeTable(int number, const RunOptions& base);

}  // namespace experiments::rss
