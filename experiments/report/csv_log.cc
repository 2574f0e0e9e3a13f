#include "experiments/report/csv_log.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"

namespace experiments {
namespace {

std::string ShortestDecimal(double value) {
  if (std::isnan(value)) return "";
  char buffer[32];
  const std::to_chars_result result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

// The lines of a previous run up to the resumed step; nothing when there is no such file.
absl::StatusOr<std::string> RowsToKeep(const std::string& path, absl::string_view header, int64_t resumed_step) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::string();
  const std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};

  std::string kept;
  for (size_t begin = 0, end; (end = content.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const absl::string_view line = absl::string_view(content).substr(begin, end - begin);
    if (begin == 0) {
      if (line != header) {
        return absl::FailedPreconditionError(
            absl::StrCat(path, ": has the columns \"", line, "\", this run writes \"", header, "\""));
      }
      continue;
    }
    int64_t step = 0;
    if (!absl::SimpleAtoi(line.substr(0, line.find(',')), &step) || step > resumed_step) break;
    absl::StrAppend(&kept, line, "\n");
  }
  return kept;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CsvLog>> CsvLog::Open(const std::string& path, std::vector<std::string> columns,
                                                     std::optional<int64_t> resumed_step) {
  const std::string header = absl::StrCat("step,", absl::StrJoin(columns, ","));
  std::string kept;
  if (resumed_step) {
    absl::StatusOr<std::string> rows = RowsToKeep(path, header, *resumed_step);
    if (!rows.ok()) return rows.status();
    kept = *std::move(rows);
  }
  // Atomically, so that a crash at this moment does not cost the rows of the run so far.
  absl::Status rewritten = autograd::WriteFileAtomically(path, absl::StrCat(header, "\n", kept));
  if (!rewritten.ok()) return rewritten;
  std::ofstream file(path, std::ios::binary | std::ios::app);
  if (!file) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  return std::unique_ptr<CsvLog>(new CsvLog(path, columns.size(), std::move(file)));
}

absl::Status CsvLog::AddRow(int64_t step, absl::Span<const double> values) {
  autograd::Require(values.size() == columns_, "CsvLog::AddRow", values.size(), " values for ", columns_,
                    " columns of ", path_);
  std::string row = absl::StrCat(step);
  for (double value : values) absl::StrAppend(&row, ",", ShortestDecimal(value));
  file_ << row << "\n" << std::flush;
  if (!file_) return absl::UnavailableError(absl::StrCat("cannot write ", path_, " (disk full?)"));
  return absl::OkStatus();
}

}  // namespace experiments
