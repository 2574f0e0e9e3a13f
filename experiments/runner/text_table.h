#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace experiments {

// A table of text cells; the first row is the header. Report::AddTable and FormatTextTable show the same
// rows, so a result is printed and published from one place.
using TableRows = std::vector<std::vector<std::string>>;

// One measured number beside the one that the paper prints.
struct Result {
  std::string name;
  std::optional<double> paper;   // Empty when the paper does not give it.
  std::vector<double> measured;  // One value a seed; empty when it was not run.
};

// Rows "name | paper | measured mean ± std | seeds", numbers with `decimals` digits.
TableRows ResultTable(absl::string_view name_header, absl::Span<const Result> results, int decimals);

// Aligned columns with a rule under the header. A column whose cells all look like numbers (or are empty or a
// dash) is right-aligned. Short rows are padded with empty cells.
std::string FormatTextTable(const TableRows& rows);

// True for "12", "-0.3", "55.75 ± 0.31", "37 %", "1.2 M", "×3", "–" and "": what
// belongs in a right-aligned column.
bool LooksNumeric(absl::string_view cell);

}  // namespace experiments
