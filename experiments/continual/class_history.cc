#include "experiments/continual/class_history.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "autograd/runtime/atomic_file.h"
#include "experiments/report/picture_text.h"

namespace experiments::continual {
namespace {

constexpr int kLetters = 2, kCellWidth = 44, kMargin = 8;
constexpr data::Color kBlack = {0, 0, 0}, kWhite = {255, 255, 255}, kLine = {90, 90, 90};

// White at 0, a deep blue at 1.
data::Color Shade(double iou) {
  const double x = std::clamp(iou, 0.0, 1.0);
  const auto mix = [&](int dark) { return static_cast<uint8_t>(std::lround(255 + x * (dark - 255))); };
  return {mix(16), mix(64), mix(128)};
}

void Fill(data::Image& image, int x, int y, int width, int height, data::Color color) {
  for (int row = y; row < y + height; ++row) {
    uint8_t* pixel = image.Row(row) + static_cast<size_t>(3) * x;
    for (int column = 0; column < width; ++column, pixel += 3) {
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
  }
}

}  // namespace

std::string HistoryCsv(const ClassHistory& history, const data::DatasetInfo& info) {
  std::string csv = "class";
  for (size_t task = 0; task < history.size(); ++task) absl::StrAppend(&csv, ",task ", task + 1);
  csv += "\n";
  for (size_t k = 0; k < info.class_names.size(); ++k) {
    absl::StrAppend(&csv, "\"", info.class_names[k], "\"");
    for (const std::vector<double>& task : history) {
      csv += ",";
      if (k < task.size() && std::isfinite(task[k])) absl::StrAppendFormat(&csv, "%.2f", 100 * task[k]);
    }
    csv += "\n";
  }
  return csv;
}

data::Image DrawHistory(const ClassHistory& history, const data::DatasetInfo& info,
                        const std::vector<int>& first_class) {
  const int text = TextHeight(kLetters), row_height = text + 6;
  int names = 0;
  for (const std::string& name : info.class_names) names = std::max(names, TextWidth(name, kLetters));
  const auto tasks = static_cast<int>(history.size()), classes = static_cast<int>(info.class_names.size());
  const int left = kMargin + names + kMargin, top = kMargin + row_height;
  data::Image picture(top + classes * row_height + kMargin, left + tasks * kCellWidth + kMargin);
  std::fill(picture.pixels.begin(), picture.pixels.end(), uint8_t{255});
  for (int task = 0; task < tasks; ++task) {
    const std::string title = absl::StrCat(task + 1);
    DrawText(picture, left + task * kCellWidth + (kCellWidth - TextWidth(title, kLetters)) / 2, kMargin, title, kBlack,
             kLetters);
  }
  for (int k = 0; k < classes; ++k) {
    const int y = top + k * row_height;
    DrawText(picture, kMargin, y + 3, info.class_names[static_cast<size_t>(k)], kBlack, kLetters);
    for (int task = 0; task < tasks; ++task) {
      const std::vector<double>& iou = history[static_cast<size_t>(task)];
      if (k >= static_cast<int>(iou.size())) continue;
      const double value = iou[static_cast<size_t>(k)];
      const std::string number = std::isfinite(value) ? absl::StrFormat("%.0f", 100 * value) : "-";
      const int x = left + task * kCellWidth;
      Fill(picture, x + 1, y + 1, kCellWidth - 2, row_height - 2, std::isfinite(value) ? Shade(value) : kWhite);
      DrawText(picture, x + (kCellWidth - TextWidth(number, kLetters)) / 2, y + 3, number,
               std::isfinite(value) && value > 0.5 ? kWhite : kBlack, kLetters);
    }
    const bool ends_task = std::find(first_class.begin(), first_class.end(), k + 1) != first_class.end();
    if (ends_task && k + 1 < classes)
      Fill(picture, kMargin, y + row_height - 1, left + tasks * kCellWidth - kMargin, 1, kLine);
  }
  return picture;
}

absl::Status WriteClassIou(const std::string& path, const std::vector<double>& class_iou) {
  std::string text;
  for (const double iou : class_iou) {
    if (std::isfinite(iou)) {
      absl::StrAppendFormat(&text, "%.17g\n", iou);
    } else {
      text += "-\n";
    }
  }
  return autograd::WriteFileAtomically(path, text);
}

absl::StatusOr<std::vector<double>> ReadClassIou(const std::string& path, size_t classes) {
  const absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok()) return absl::NotFoundError(text.status().message());
  std::vector<double> iou;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    double value = std::numeric_limits<double>::quiet_NaN();
    if (line != "-" && !absl::SimpleAtod(line, &value))
      return absl::InvalidArgumentError(absl::StrCat(path, ": '", line, "' is no number"));
    iou.push_back(value);
  }
  if (iou.size() != classes)
    return absl::InvalidArgumentError(absl::StrCat(path, ": has ", iou.size(), " numbers for ", classes, " classes"));
  return iou;
}

}  // namespace experiments::continual
