#include "experiments/report/text_table.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "experiments/report/display_width.h"

namespace experiments {
namespace {

constexpr absl::string_view kColumnGap = "  ";

void AppendPadded(const std::string& cell, int width, bool right, std::string* line) {
  const std::string padding(std::max(0, width - DisplayWidth(cell)), ' ');
  absl::StrAppend(line, right ? padding : "", cell, right ? "" : padding);
}

}  // namespace

bool LooksNumeric(absl::string_view cell) {
  for (absl::string_view sign : {"-", "+", "−", "×", "±"}) absl::ConsumePrefix(&cell, sign);
  if (cell.empty() || cell == "–" || cell == "nan" || cell == "inf") return true;
  // A digit first and at most one letter later (a unit prefix or exponent): "1.2e-4"
  // and "3 h", but not "2 scales".
  if (!std::isdigit(static_cast<unsigned char>(cell[0])) && cell[0] != '.') return false;
  int letters = 0;
  for (char byte : cell) letters += std::isalpha(static_cast<unsigned char>(byte)) ? 1 : 0;
  return letters <= 1;
}

std::string FormatTextTable(const TableRows& rows) {
  if (rows.empty()) return "";
  size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());

  std::vector<int> widths(columns, 0);
  std::vector<bool> numeric(columns, true);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      widths[c] = std::max(widths[c], DisplayWidth(rows[r][c]));
      if (r > 0 && !LooksNumeric(rows[r][c])) numeric[c] = false;
    }
  }

  std::string text;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < columns; ++c) {
      if (c > 0) absl::StrAppend(&line, kColumnGap);
      AppendPadded(c < rows[r].size() ? rows[r][c] : "", widths[c], numeric[c], &line);
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
    if (r > 0) continue;
    for (size_t c = 0; c < columns; ++c) {
      if (c > 0) absl::StrAppend(&text, kColumnGap);
      for (int i = 0; i < widths[c]; ++i) absl::StrAppend(&text, "─");
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

TableRows SideBySide(const TableRows& rows, int lines, int width) {
  if (rows.size() < 2) return rows;
  size_t columns = 0;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  std::vector<int> widths(columns, 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], DisplayWidth(row[c]));
  }
  const int gap = static_cast<int>(kColumnGap.size());
  const int piece_width = std::accumulate(widths.begin(), widths.end(), gap * static_cast<int>(columns));
  const int body = static_cast<int>(rows.size()) - 1;
  const int pieces = std::max(1, std::min((body + lines - 1) / lines, (width + gap) / piece_width));
  const int height = (body + pieces - 1) / pieces;
  TableRows beside(height + 1);
  for (int i = 0; i < body; ++i) {
    std::vector<std::string>& line = beside[1 + i % height];
    if (i % height == 0) {
      beside[0].resize(i / height * columns);
      beside[0].insert(beside[0].end(), rows[0].begin(), rows[0].end());
    }
    line.resize(i / height * columns);
    line.insert(line.end(), rows[1 + i].begin(), rows[1 + i].end());
  }
  return beside;
}

}  // namespace experiments
