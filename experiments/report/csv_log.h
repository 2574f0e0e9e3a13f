#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace experiments {

// An append-only CSV file of numbers, one row a logged step, flushed row by row so that `tail -f` and a crash
// see all of it. The header is "step," followed by the columns. Numbers are printed with the fewest digits
// that read back to the same double; a value that was not measured at this step (NaN) is an empty cell.
class CsvLog {
 public:
  // Starts a new file, or, with `resumed_step`, continues the one at `path`: rows of later steps and a row
  // cut short by a crash are dropped. FailedPrecondition when that file has other columns.
  static absl::StatusOr<std::unique_ptr<CsvLog>> Open(const std::string& path, std::vector<std::string> columns,
                                                      std::optional<int64_t> resumed_step);

  // `values` in the order of the columns; another number of them throws autograd::Error.
  absl::Status AddRow(int64_t step, absl::Span<const double> values);

 private:
  CsvLog(std::string path, size_t columns, std::ofstream file)
      : path_(std::move(path)), columns_(columns), file_(std::move(file)) {}

  std::string path_;
  size_t columns_;
  std::ofstream file_;
};

}  // namespace experiments
