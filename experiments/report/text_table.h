#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace experiments {

// A table of text cells; the first row is the header. Report::AddTable and FormatTextTable show the same
// rows, so a result is printed and published from one place.
using TableRows = std::vector<std::vector<std::string>>;

// Aligned columns with a rule under the header. A column whose cells all look like numbers (or are empty or a
// dash) is right-aligned. Short rows are padded with empty cells.
std::string FormatTextTable(const TableRows& rows);

// A long table in pieces side by side, each below the header: as few as make at most `lines` lines, but no wider than
// `width` columns on a terminal where two pieces or more would be.
TableRows SideBySide(const TableRows& rows, int lines = 24, int width = 120);

// True for "12", "-0.3", "55.75 ± 0.31", "37 %", "1.2 M", "×3", "–" and "": what
// belongs in a right-aligned column.
bool LooksNumeric(absl::string_view cell);

}  // namespace experiments
