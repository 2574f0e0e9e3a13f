#include "experiments/rss/results.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/png.h"
#include "experiments/runner/network.h"
#include "experiments/runner/overlay.h"
#include "experiments/runner/report.h"
#include "experiments/runner/statistics.h"
#include "experiments/runner/text_table.h"

namespace experiments::rss {
namespace {

// The mean curve over seeds, as far as all of them have points at the same steps.
Series MeanCurve(const std::string& name, const std::vector<RunScores>& scores) {
  Series series;
  series.name = name;
  for (size_t i = 0; i < scores[0].curve.size(); ++i) {
    std::vector<double> values;
    for (const RunScores& score : scores) {
      if (i < score.curve.size() && score.curve[i].step == scores[0].curve[i].step)
        values.push_back(100 * score.curve[i].value);
    }
    const MeanAndDeviation summary = Summarize(values);
    series.x.push_back(static_cast<double>(scores[0].curve[i].step));
    series.y.push_back(summary.mean);
    if (scores.size() > 1) series.deviation.push_back(summary.deviation);
  }
  return series;
}

Series FromPoints(const std::string& name, const std::vector<CurvePoint>& points) {
  Series series;
  series.name = name;
  for (const CurvePoint& point : points) {
    series.x.push_back(static_cast<double>(point.step));
    series.y.push_back(point.value);
  }
  return series;
}

std::string Duration(double seconds) {
  return seconds < 90 ? absl::StrFormat("%.0f s", seconds) : absl::StrFormat("%.1f min", seconds / 60);
}

}  // namespace

Results::Results(Table table, RunOptions base, std::string data, std::string folder, std::string command)
    : table_(std::move(table)),
      base_(std::move(base)),
      data_(std::move(data)),
      folder_(std::move(folder)),
      command_(std::move(command)),
      rows_(table_.rows.size()) {}

void Results::AddRun(size_t row, const RunResult& result) {
  AddScores(row,
            {result.training.evaluation.mean_iou, result.training.evaluation.pixel_accuracy, result.training.seconds,
             result.training.steps, result.training.curves.mean_iou, result.multi_scale_mean_iou});
  rows_[row].latest = result;
}

void Results::AddScores(size_t row, const RunScores& scores) {
  rows_[row].mean_iou.push_back(100 * scores.mean_iou);
  rows_[row].pixel_accuracy.push_back(100 * scores.pixel_accuracy);
  rows_[row].seconds.push_back(scores.seconds);
  if (scores.multi_scale_mean_iou.has_value())
    rows_[row].multi_scale_mean_iou.push_back(100 * *scores.multi_scale_mean_iou);
  rows_[row].scores.push_back(scores);
}

std::optional<double> Results::Reference(size_t row) const {
  for (size_t i = 0; i < rows_.size(); ++i) {
    const TableRow& candidate = table_.rows[i];
    if (candidate.options.supervision == Supervision::kLabels && candidate.cold_start == table_.rows[row].cold_start &&
        candidate.options.model == table_.rows[row].options.model && !rows_[i].mean_iou.empty()) {
      return Summarize(rows_[i].mean_iou).mean;
    }
  }
  return std::nullopt;
}

std::vector<std::vector<std::string>> Results::Rows() const {
  bool paper = false, multi_scale = false;
  for (const TableRow& row : table_.rows) {
    paper |= row.paper.has_value();
    multi_scale |= row.options.multi_scale;
  }
  const auto number = [](const std::optional<double>& value) {
    return value.has_value() ? absl::StrFormat("%.2f", *value) : std::string("–");
  };
  std::vector<std::vector<std::string>> text(1);
  text[0] = {"method"};
  if (paper) text[0].push_back("paper mIoU %");
  text[0].push_back("measured mIoU %");
  if (multi_scale) text[0].insert(text[0].end(), {"paper, scales + flip", "measured, scales + flip"});
  for (const char* header : {"of PSL %", "pixel acc. %", "seeds", "steps", "time a run"}) text[0].push_back(header);
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    std::vector<std::string> cells = {table_.rows[i].name};
    if (paper) cells.push_back(number(table_.rows[i].paper));
    cells.push_back(FormatMeanAndDeviation(Summarize(row.mean_iou), 2));
    if (multi_scale) {
      cells.push_back(number(table_.rows[i].paper_multi_scale));
      cells.push_back(FormatMeanAndDeviation(Summarize(row.multi_scale_mean_iou), 2));
    }
    const std::optional<double> reference = Reference(i);
    const bool comparable =
        reference.has_value() && !row.mean_iou.empty() && table_.rows[i].options.supervision != Supervision::kLabels;
    cells.push_back(comparable ? absl::StrFormat("%.1f", 100 * Summarize(row.mean_iou).mean / *reference) : "–");
    cells.push_back(FormatMeanAndDeviation(Summarize(row.pixel_accuracy), 2));
    cells.push_back(row.mean_iou.empty() ? "–" : absl::StrCat(row.mean_iou.size()));
    cells.push_back(row.scores.empty() ? "–" : absl::StrCat(row.scores.back().steps));
    cells.push_back(row.seconds.empty() ? "–" : Duration(Summarize(row.seconds).mean));
    text.push_back(cells);
  }
  return text;
}

std::string Results::Networks() const {
  std::vector<std::string> names;
  for (const TableRow& row : table_.rows) {
    const std::string name = DescribeNetwork(row.options.model);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return absl::StrJoin(names, "; ");
}

std::optional<std::string> Results::Ratio() const {
  // The last reward row that ran: the full method in every table.
  for (size_t i = rows_.size(); i-- > 0;) {
    const std::optional<double> reference = Reference(i);
    if (rows_[i].mean_iou.empty() || table_.rows[i].options.supervision == Supervision::kLabels ||
        !reference.has_value() || *reference <= 0)
      continue;
    const double measured = Summarize(rows_[i].mean_iou).mean;
    return absl::StrFormat("%s / PSL = %.2f / %.2f = %.1f %%", table_.rows[i].name, measured, *reference,
                           100 * measured / *reference);
  }
  return std::nullopt;
}

std::string Results::Text() const {
  std::string text = absl::StrCat(table_.title, ", validation mIoU\ndata: ", data_, "\n\n", FormatTextTable(Rows()));
  if (!table_.note.empty()) absl::StrAppend(&text, "\n", table_.note, "\n");
  if (const std::optional<std::string> ratio = Ratio(); ratio.has_value()) absl::StrAppend(&text, "\n", *ratio, "\n");
  absl::StrAppend(&text, "report: ", folder_, "/report.html\n");
  return text;
}

absl::Status Results::Write() const {
  std::string csv;
  for (const std::vector<std::string>& row : Rows()) {
    for (size_t i = 0; i < row.size(); ++i) absl::StrAppend(&csv, i > 0 ? "," : "", "\"", row[i], "\"");
    absl::StrAppend(&csv, "\n");
  }
  absl::Status status = autograd::WriteFileAtomically(absl::StrCat(folder_, "/results.csv"), csv);
  if (!status.ok()) return status;

  Report report("RSS: segmentation from rewards");
  report.AddFacts({{"Data", data_}, {"Network", Networks()}, {"Table", table_.title}});
  report.AddTable(Rows(), "Validation mIoU, mean ± standard deviation over seeds");
  if (!table_.note.empty()) report.AddParagraph(table_.note);
  if (const std::optional<std::string> ratio = Ratio(); ratio.has_value()) report.AddParagraph(*ratio);

  report.AddHeading("Curves");
  std::vector<Series> scores, losses, rewards;
  const auto add = [](std::vector<Series>& plot, Series series, size_t row) {
    series.color = static_cast<int>(row);
    plot.push_back(std::move(series));
  };
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].scores.empty()) add(scores, MeanCurve(table_.rows[i].name, rows_[i].scores), i);
    if (!rows_[i].latest.has_value()) continue;
    const TrainingResult& training = rows_[i].latest->training;
    if (table_.rows[i].options.supervision == Supervision::kLabels)
      add(losses, FromPoints(table_.rows[i].name, training.curves.loss), i);
    for (const auto& [name, points] : training.curves.values) {
      if (name == "reward") add(rewards, FromPoints(table_.rows[i].name, points), i);
    }
  }
  if (!scores.empty()) report.AddCurves("Validation mIoU", "step", "mIoU %", scores);
  if (!rewards.empty()) report.AddCurves("Mean reward of the sampled maps", "step", "reward", rewards);
  if (!losses.empty()) report.AddCurves("Cross-entropy of the supervised runs", "step", "loss", losses);

  // One line a validation image: the image, its label, then each row's prediction.
  std::vector<const RunResult*> shown;
  std::string caption = "image, label";
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[i].latest.has_value() || rows_[i].latest->examples.empty()) continue;
    shown.push_back(&*rows_[i].latest);
    absl::StrAppend(&caption, ", ", table_.rows[i].name);
  }
  if (!shown.empty()) {
    report.AddHeading("Predictions");
    report.AddParagraph(absl::StrCat("From left to right: ", caption, ". Grey is void."));
    std::vector<Picture> pictures;
    for (size_t k = 0; k < shown[0]->examples.size(); ++k) {
      const std::vector<data::Color>& palette = shown[0]->dataset.palette;
      std::vector<data::Image> row = {shown[0]->examples[k].image, ColorLabels(shown[0]->examples[k].label, palette)};
      for (const RunResult* result : shown) row.push_back(ColorLabels(result->examples[k].prediction, palette));
      pictures.push_back({absl::StrCat("validation image ", k + 1), data::EncodePng(PictureGrid({row}))});
    }
    report.AddPictures(pictures);

    report.AddHeading("IoU by class");
    for (const RunResult* result : shown) {
      std::vector<Bar> bars;
      for (size_t k = 0; k < result->dataset.class_names.size(); ++k) {
        bars.push_back(
            {result->dataset.class_names[k], 100 * result->training.evaluation.iou[k], result->dataset.palette[k]});
      }
      report.AddBars(result->options.name, bars);
    }
  }
  report.AddHeading("Command and settings");
  report.AddCommand(command_);
  report.AddSettings(Describe(base_));
  return report.Write(absl::StrCat(folder_, "/report.html"));
}

}  // namespace experiments::rss
