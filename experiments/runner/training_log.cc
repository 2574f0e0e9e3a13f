#include "experiments/runner/training_log.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace experiments {
namespace {

std::string ColumnName(const std::string& name) { return absl::StrReplaceAll(name, {{" ", "_"}, {",", "_"}}); }

// Of a log that is there, without the step; empty where there is none.
std::vector<std::string> ColumnsOf(const std::string& path) {
  std::ifstream file(path);
  std::string header;
  if (!std::getline(file, header)) return {};
  std::vector<std::string> columns = absl::StrSplit(header, ',');
  columns.erase(columns.begin());
  return columns;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingLog>> TrainingLog::Open(const RunFolder& folder, const Options& options) {
  std::unique_ptr<TrainingLog> log = Silent(options);
  absl::StatusOr<std::unique_ptr<TensorBoardWriter>> events =
      TensorBoardWriter::Open(folder.TensorBoardPath(), options.resumed_step);
  if (!events.ok()) return events.status();
  log->events_ = *std::move(events);
  log->log_path_ = folder.LogPath();
  log->progress_ = std::make_unique<Progress>(options.first_step, options.steps, &std::cerr, Progress::StandardError());
  log->progress_->Print(options.title);
  return log;
}

std::unique_ptr<TrainingLog> TrainingLog::Silent(const Options& options) {
  return std::unique_ptr<TrainingLog>(new TrainingLog(options));
}

bool TrainingLog::LacksScores(int64_t step) const {
  const std::vector<std::string> columns = ColumnsOf(log_path_);
  if (columns.empty()) return false;
  std::ifstream file(log_path_);
  std::string line;
  while (std::getline(file, line) && !file.eof()) {  // a row that a crash cut short has no end, and is dropped
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells[0] != absl::StrCat(step) || cells.size() != columns.size() + 1) continue;
    for (const std::string& name : options_.score_names) {
      const auto column = std::find(columns.begin(), columns.end(), ColumnName(name)) - columns.begin();
      if (column < std::ssize(columns) && !cells[column + 1].empty()) return false;
    }
  }
  return true;
}

absl::Status TrainingLog::AddRow(int64_t step, const NamedValues& values) {
  if (log_path_.empty()) return absl::OkStatus();
  if (rows_ == nullptr) {
    columns_ = {"loss"};
    for (const auto& [name, value] : latest_.values) columns_.push_back(ColumnName(name));
    for (const std::string& name : options_.score_names) columns_.push_back(ColumnName(name));
    columns_.insert(columns_.end(), {"learning_rate", "gradient_norm"});
    // A run that goes on with an evaluation alone has made no step that says which values there are: the file knows.
    if (options_.resumed_step.has_value() && latest_.values.empty()) {
      std::vector<std::string> earlier = ColumnsOf(log_path_);
      const bool has_all = std::all_of(columns_.begin(), columns_.end(), [&](const std::string& column) {
        return std::find(earlier.begin(), earlier.end(), column) != earlier.end();
      });
      if (has_all) columns_ = std::move(earlier);
    }
    absl::StatusOr<std::unique_ptr<CsvLog>> rows = CsvLog::Open(log_path_, columns_, options_.resumed_step);
    if (!rows.ok()) return rows.status();
    rows_ = *std::move(rows);
  }
  std::vector<double> row(columns_.size(), std::nan(""));
  for (const auto& [name, value] : values) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i] == ColumnName(name)) row[i] = value;
    }
  }
  return rows_->AddRow(step, row);
}

absl::Status TrainingLog::Step(int64_t step, const StepNumbers& numbers) {
  latest_ = numbers;
  if (step % options_.log_every != 0 && step != options_.steps) return absl::OkStatus();
  NamedValues values = {{"loss", numbers.loss}};
  values.insert(values.end(), numbers.values.begin(), numbers.values.end());
  for (const auto& [name, value] : values) PointsOf(curves_.training, name).push_back({step, value});
  values.push_back({"learning_rate", numbers.learning_rate});
  values.push_back({"gradient_norm", numbers.gradient_norm});
  if (events_ != nullptr) {
    for (const auto& [name, value] : values)
      events_->AddScalar(absl::StrCat("training/", ColumnName(name)), value, step);
  }
  return AddRow(step, values);
}

absl::Status TrainingLog::Evaluated(int64_t step, const std::vector<Score>& scores) {
  latest_scores_ = scores;
  NamedValues values;
  for (const auto& [name, value] : scores) {
    PointsOf(curves_.validation, name).push_back({step, value});
    values.push_back({name, value});
    if (events_ != nullptr) events_->AddScalar(absl::StrCat("validation/", ColumnName(name)), value, step);
  }
  return AddRow(step, values);
}

void TrainingLog::Show(int64_t step) {
  if (progress_ == nullptr) return;
  ProgressValues shown = {{"loss", latest_.loss}};
  shown.insert(shown.end(), latest_.values.begin(), latest_.values.end());
  if (!latest_scores_.empty()) shown.push_back({latest_scores_[0].name, latest_scores_[0].value});
  progress_->Update(step, shown);
}

void TrainingLog::Say(const std::string& text) {
  if (progress_ != nullptr) progress_->Print(text);
}

void TrainingLog::Finish() {
  if (progress_ != nullptr) progress_->Finish();
}

absl::Status TrainingLog::Flush() { return events_ != nullptr ? events_->Flush() : absl::OkStatus(); }

}  // namespace experiments
