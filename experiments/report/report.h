#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "data/formats/image.h"
#include "experiments/report/curve_plot.h"
#include "experiments/report/text_table.h"

namespace experiments {

struct Picture {
  std::string caption;
  std::string png;  // The file's bytes.
};

// One bar of a chart, such as a class's IoU in its palette colour.
struct Bar {
  std::string label;
  double value = 0.0;  // NaN: drawn as "–", for a class that does not occur.
  std::optional<data::Color> color = std::nullopt;
};

// One self-contained HTML page: no other file, no network, no script. It follows the reader's light or dark
// setting and fits a phone as well as a wide screen. All text is escaped.
//
//   Report report("RSS on the embedded scenes");
//   report.AddFacts({{"Data", "embedded scenes, 64×64"}, {"Preset", "quick"}});
//   report.AddTable({{"method", "mIoU %"}, {"PSL", "67.8"}}, "Table 2");
//   report.AddCurves("Validation", "step", "mIoU", {{"PSD", steps, scores}});
//   absl::Status status = report.Write(directory.ReportPath());
class Report {
 public:
  explicit Report(std::string title) : title_(std::move(title)) {}

  // What the reader must know first: the data, the preset, the duration.
  void AddFacts(const std::vector<std::pair<std::string, std::string>>& facts);

  void AddHeading(absl::string_view text);
  void AddParagraph(absl::string_view text);

  // The command that repeats this run.
  void AddCommand(absl::string_view command);

  // All settings, folded away.
  void AddSettings(const std::vector<std::pair<std::string, std::string>>& settings);

  // The first row is the header; columns of numbers are right-aligned.
  void AddTable(const TableRows& rows, absl::string_view caption = "");

  // Plots that follow each other share rows where there is room.
  void AddCurves(absl::string_view title, absl::string_view x_label, absl::string_view y_label,
                 std::vector<Series> series);

  void AddPictures(const std::vector<Picture>& pictures);

  // Horizontal bars from 0 to `maximum`, values with `decimals` digits.
  void AddBars(absl::string_view title, const std::vector<Bar>& bars, double maximum = 100.0, int decimals = 1);

  std::string Html() const;

  // Atomically: a reader who reloads during the run never sees half a page.
  absl::Status Write(const std::string& path) const;

 private:
  enum class Group { kNone, kPlots };

  void Append(Group group, absl::string_view html);

  std::string title_;
  std::string body_;
  Group open_group_ = Group::kNone;
};

}  // namespace experiments
