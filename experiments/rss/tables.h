#pragma once

// The rows of the paper's tables as runs, beside the numbers the paper prints: 1 to 4 on Pascal Context, 5 on VOC2012, 6 on Cityscapes.

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
  std::optional<double> paper_multi_scale = {};  // of several scales and mirrored images (Table 6)
};

struct Table {
  std::string title;
  std::vector<TableRow> rows;
  std::string note;  // printed below
};

// `number` is 1 to 6; every row differs from `base` in what its name says. Where `base` has a micro network, so have the rows of Table 4.
absl::StatusOr<Table> MakeTable(int number, const RunOptions& base);

}  // namespace experiments::rss
