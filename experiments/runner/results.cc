#include "experiments/runner/results.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/png.h"
#include "experiments/report/overlay.h"
#include "experiments/report/statistics.h"

namespace experiments {
namespace {

// The panels of an example between its image and what they come to.
data::Image StepsPicture(const Example& example, const std::vector<data::Color>& palette) {
  constexpr data::Color kWhite = {255, 255, 255};
  std::vector<data::Image> row = {example.image, ColorLabels(example.label, palette)};
  row.insert(row.end(), example.panels.begin(), example.panels.end());
  row.push_back(ColorLabels(example.prediction, palette));
  data::LabelMap right = example.label;
  for (size_t i = 0; i < right.values.size(); ++i) {
    if (example.prediction.values[i] != right.values[i]) right.values[i] = data::kVoidLabel;
  }
  row.push_back(ColorLabels(right, palette, kWhite));
  return PictureGrid({row});
}

// The mean curve over seeds, as far as all of them have points at the same steps.
Series MeanCurve(const std::string& name, const std::vector<const Curve*>& curves) {
  Series series;
  series.name = name;
  for (size_t i = 0; i < curves[0]->points.size(); ++i) {
    std::vector<double> values;
    for (const Curve* curve : curves) {
      if (i < curve->points.size() && curve->points[i].step == curves[0]->points[i].step)
        values.push_back(100 * curve->points[i].value);
    }
    const MeanAndDeviation summary = Summarize(values);
    series.x.push_back(static_cast<double>(curves[0]->points[i].step));
    series.y.push_back(summary.mean);
    if (curves.size() > 1) series.deviation.push_back(summary.deviation);
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

Results::Results(TableDescription table, std::vector<RowDescription> rows, ResultsHeader header)
    : table_(std::move(table)), rows_(std::move(rows)), header_(std::move(header)), records_(rows_.size()) {}

void Results::Add(const std::string& folder, const RunRecord& record) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].folder != folder) continue;
    // One set of pictures a row is enough.
    for (RunRecord& earlier : records_[i]) {
      earlier.examples.clear();
      earlier.pictures.clear();
      for (TargetRecord& target : earlier.targets) target.examples.clear();
    }
    records_[i].push_back(record);
  }
}

std::vector<double> Results::Percents(size_t row, const std::string& column) const {
  const std::string& view = rows_[row].view;
  std::vector<double> values;
  for (const RunRecord& record : records_[row]) {
    const Score* score = FindScore(record.scores, view.empty() ? column : absl::StrCat(view, " ", column));
    if (score != nullptr) values.push_back(100 * score->value);
  }
  return values;
}

std::optional<double> Results::Mean(size_t row) const {
  const std::vector<double> values = Percents(row, table_.columns[0]);
  return values.empty() ? std::nullopt : std::optional<double>(Summarize(values).mean);
}

std::optional<size_t> Results::Reference(size_t row) const {
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (!rows_[row].reference.empty() && rows_[i].folder == rows_[row].reference && Mean(i).has_value()) return i;
  }
  return std::nullopt;
}

TableRows Results::Rows() const {
  const auto published = [&](size_t row, const std::string& column) -> const Published* {
    for (const Published& number : rows_[row].published) {
      if (number.score == column) return &number;
    }
    return nullptr;
  };
  std::vector<bool> has_published;
  bool compared = false;
  for (const std::string& column : table_.columns) {
    has_published.push_back(false);
    for (size_t i = 0; i < rows_.size(); ++i)
      has_published.back() = has_published.back() || published(i, column) != nullptr;
  }
  for (const RowDescription& row : rows_) compared |= !row.reference.empty();

  TableRows text(1);
  text[0] = {"method"};
  for (size_t c = 0; c < table_.columns.size(); ++c) {
    if (has_published[c]) text[0].push_back(absl::StrCat("paper, ", table_.columns[c], " %"));
    text[0].push_back(absl::StrCat(has_published[c] ? "measured, " : "", table_.columns[c], " %"));
  }
  if (compared) text[0].push_back(table_.compared);
  for (const char* header : {"seeds", "steps", "time a run"}) text[0].push_back(header);
  for (size_t i = 0; i < rows_.size(); ++i) {
    std::vector<std::string> cells = {rows_[i].name};
    for (size_t c = 0; c < table_.columns.size(); ++c) {
      if (has_published[c]) {
        const Published* number = published(i, table_.columns[c]);
        cells.push_back(number != nullptr ? absl::StrFormat("%.2f", number->percent) : "–");
      }
      cells.push_back(FormatMeanAndDeviation(Summarize(Percents(i, table_.columns[c])), 2));
    }
    if (compared) {
      const std::optional<size_t> reference = Reference(i);
      const bool both = reference.has_value() && Mean(i).has_value();
      cells.push_back(both ? absl::StrFormat("%.1f", 100 * *Mean(i) / *Mean(*reference)) : "–");
    }
    std::vector<double> seconds;
    for (const RunRecord& record : records_[i]) seconds.push_back(record.seconds);
    const bool ran = !records_[i].empty();
    cells.push_back(ran ? absl::StrCat(records_[i].size()) : "–");
    cells.push_back(ran ? absl::StrCat(records_[i].back().steps) : "–");
    cells.push_back(ran ? Duration(Summarize(seconds).mean) : "–");
    text.push_back(cells);
  }
  return text;
}

std::optional<std::string> Results::Share() const {
  for (size_t i = rows_.size(); i-- > 0;) {
    const std::optional<size_t> reference = Reference(i);
    if (!reference.has_value() || !Mean(i).has_value() || !(*Mean(*reference) > 0)) continue;
    return absl::StrFormat("%s / %s = %.2f / %.2f = %.1f %%", rows_[i].name, rows_[*reference].name, *Mean(i),
                           *Mean(*reference), 100 * *Mean(i) / *Mean(*reference));
  }
  return std::nullopt;
}

std::string Results::Notes() const {
  std::string notes = table_.note;
  const bool has_published =
      std::any_of(rows_.begin(), rows_.end(), [](const RowDescription& row) { return !row.published.empty(); });
  if (has_published && !table_.published_on.empty() && table_.published_on != header_.dataset)
    notes =
        absl::StrCat("The paper's numbers are of ", table_.published_on, ", not of the data measured here. ", notes);
  return notes;
}

std::string Results::Text() const {
  std::string text =
      absl::StrCat(table_.title, ", validation scores\ndata: ", header_.data, "\n\n", FormatTextTable(Rows()));
  if (const std::string notes = Notes(); !notes.empty()) absl::StrAppend(&text, "\n", notes, "\n");
  if (const std::optional<std::string> share = Share(); share.has_value()) absl::StrAppend(&text, "\n", *share, "\n");
  absl::StrAppend(&text, "report: ", header_.folder, "/report.html\n");
  return text;
}

void Results::AddTargets(Report& report) const {
  std::vector<const RunRecord*> shown;  // a row's last one that was made in this process
  std::vector<std::string> names;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (records_[i].empty() || records_[i].back().targets.empty()) continue;
    shown.push_back(&records_[i].back());
    names.push_back(rows_[i].name);
  }
  for (size_t t = 0; !shown.empty() && t < shown[0]->targets.size(); ++t) {
    const TargetRecord& first = shown[0]->targets[t];
    const std::vector<data::Color>& palette = first.dataset.palette;
    report.AddHeading(absl::StrCat("Target ", first.name, ", never trained on"));
    report.AddParagraph(absl::StrCat("From left to right: image, label, ", absl::StrJoin(names, ", "), "."));
    std::vector<Picture> pictures;
    for (size_t k = 0; k < first.examples.size(); ++k) {
      std::vector<data::Image> row = {first.examples[k].image, ColorLabels(first.examples[k].label, palette)};
      for (const RunRecord* record : shown)
        row.push_back(ColorLabels(record->targets[t].examples[k].prediction, palette));
      pictures.push_back({absl::StrCat(first.name, ", image ", k + 1), data::EncodePng(PictureGrid({row}))});
    }
    report.AddPictures(pictures);
    TableRows rows = {{"class", "label pixels"}};
    for (const std::string& name : names) rows[0].push_back(absl::StrCat(name, ", IoU %"));
    for (size_t k = 0; k < first.class_iou.size(); ++k) {
      rows.push_back({first.dataset.class_names[k], absl::StrCat(first.label_pixels[k])});
      for (const RunRecord* record : shown) {
        const double iou = record->targets[t].class_iou[k];
        rows.back().push_back(std::isnan(iou) ? "–" : absl::StrFormat("%.2f", 100 * iou));
      }
    }
    report.AddTable(rows, absl::StrCat(first.name, ", by class"));
  }
}

absl::Status Results::Write() const {
  std::string csv;
  for (const std::vector<std::string>& row : Rows()) {
    for (size_t i = 0; i < row.size(); ++i)
      absl::StrAppend(&csv, i > 0 ? "," : "", "\"", absl::StrReplaceAll(row[i], {{"\"", "\"\""}}), "\"");
    absl::StrAppend(&csv, "\n");
  }
  absl::Status status = autograd::WriteFileAtomically(absl::StrCat(header_.folder, "/results.csv"), csv);
  if (!status.ok()) return status;

  Report report(header_.title);
  report.AddFacts({{"Data", header_.data}, {"Table", table_.title}});
  report.AddTable(Rows(), "Validation scores, mean ± standard deviation over seeds");
  if (const std::string notes = Notes(); !notes.empty()) report.AddParagraph(notes);
  if (const std::optional<std::string> share = Share(); share.has_value()) report.AddParagraph(*share);

  report.AddHeading("Curves");
  // A row keeps its colour in every plot; those that were not run need none.
  std::vector<int> colors(rows_.size());
  for (size_t i = 1; i < rows_.size(); ++i) colors[i] = colors[i - 1] + (records_[i - 1].empty() ? 0 : 1);
  std::vector<std::pair<std::string, std::vector<Series>>> plots;
  const auto add = [&](const std::string& plot, Series series, size_t row) {
    if (series.x.empty()) return;
    series.color = colors[row];
    for (auto& [title, lines] : plots) {
      if (title == plot) return lines.push_back(std::move(series));
    }
    plots.push_back({plot, {std::move(series)}});
  };
  const std::vector<std::string> drawn =
      table_.curves.empty() ? std::vector<std::string>{table_.columns[0]} : table_.curves;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (records_[i].empty()) continue;
    const std::string& view = rows_[i].view;
    for (const std::string& name : drawn) {
      const std::string score = view.empty() ? name : absl::StrCat(view, " ", name);
      std::vector<const Curve*> curves;
      for (const RunRecord& record : records_[i]) {
        if (const Curve* curve = FindCurve(record.curves.validation, score); curve != nullptr) curves.push_back(curve);
      }
      if (!curves.empty()) add(absl::StrCat("Validation ", name), MeanCurve(rows_[i].name, curves), i);
    }
  }
  const size_t score_plots = plots.size();
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (records_[i].empty()) continue;
    const RunRecord& latest = records_[i].back();
    for (const Curve& curve : latest.curves.training) {
      if (curve.name != "loss") add(curve.name, FromPoints(rows_[i].name, curve.points), i);
      if (curve.name == "loss" && !latest.loss_name.empty())
        add(latest.loss_name, FromPoints(rows_[i].name, curve.points), i);
    }
  }
  for (size_t i = 0; i < plots.size(); ++i)
    report.AddCurves(
        plots[i].first, "step",
        i < score_plots ? absl::StrCat(plots[i].first.substr(std::strlen("Validation ")), " %") : plots[i].first,
        plots[i].second);

  // One line a validation image: the image, its label, then each row's prediction. A row whose network has other
  // classes was shown other images and stands for itself.
  std::vector<const RunRecord*> shown;
  std::vector<std::string> names;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (records_[i].empty() || records_[i].back().examples.empty()) continue;
    shown.push_back(&records_[i].back());
    names.push_back(rows_[i].name);
  }
  std::vector<Picture> pictures;
  if (!shown.empty()) {
    report.AddHeading("Predictions");
    std::vector<bool> done(shown.size());
    for (size_t first = 0; first < shown.size(); ++first) {
      if (done[first]) continue;
      const data::DatasetInfo& dataset = shown[first]->dataset;
      std::vector<size_t> alike;
      std::string caption = "image, label";
      for (size_t i = first; i < shown.size(); ++i) {
        if (shown[i]->dataset.class_names != dataset.class_names) continue;
        done[i] = true;
        alike.push_back(i);
        absl::StrAppend(&caption, ", ", names[i]);
      }
      report.AddParagraph(absl::StrCat("From left to right: ", caption, ". Grey is void."));
      pictures.clear();
      for (size_t k = 0; k < shown[first]->examples.size(); ++k) {
        const Example& example = shown[first]->examples[k];
        std::vector<data::Image> row = {example.image, ColorLabels(example.label, dataset.palette)};
        for (const size_t i : alike) row.push_back(ColorLabels(shown[i]->examples[k].prediction, dataset.palette));
        pictures.push_back({absl::StrCat("validation image ", k + 1), data::EncodePng(PictureGrid({row}))});
      }
      report.AddPictures(pictures);
    }

    for (size_t i = 0; i < shown.size(); ++i) {
      const std::vector<std::string>& captions = shown[i]->examples[0].captions;
      if (captions.empty()) continue;
      report.AddHeading(absl::StrCat(names[i], ", step by step"));
      report.AddParagraph(absl::StrCat("From left to right: image, label, ", absl::StrJoin(captions, ", "),
                                       ", prediction, label with errors and void in white."));
      pictures.clear();
      for (const Example& example : shown[i]->examples)
        pictures.push_back({absl::StrCat("validation image ", pictures.size() + 1),
                            data::EncodePng(StepsPicture(example, shown[i]->dataset.palette))});
      report.AddPictures(pictures);
    }

    report.AddHeading("IoU by class");
    for (size_t i = 0; i < shown.size(); ++i) {
      std::vector<Bar> bars;
      for (size_t k = 0; k < shown[i]->class_iou.size(); ++k)
        bars.push_back({shown[i]->dataset.class_names[k], 100 * shown[i]->class_iou[k], shown[i]->dataset.palette[k]});
      report.AddBars(names[i], bars);
    }
  }
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (records_[i].empty() || records_[i].back().pictures.empty()) continue;
    report.AddHeading(absl::StrCat(rows_[i].name, ", the run as a whole"));
    pictures.clear();
    for (const CaptionedImage& picture : records_[i].back().pictures)
      pictures.push_back({picture.caption, data::EncodePng(picture.image)});
    report.AddPictures(pictures);
  }
  AddTargets(report);
  report.AddHeading("Command and settings");
  report.AddCommand(header_.command);
  report.AddSettings(header_.settings);
  return report.Write(absl::StrCat(header_.folder, "/report.html"));
}

}  // namespace experiments
