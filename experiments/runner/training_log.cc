#include "experiments/runner/training_log.h"

#include <cmath>
#include <iostream>

#include "absl/strings/str_cat.h"

namespace experiments {

absl::StatusOr<std::unique_ptr<TrainingLog>> TrainingLog::Open(const RunDirectory& directory, const Options& options) {
  std::unique_ptr<TrainingLog> log = Silent(options);
  absl::StatusOr<std::unique_ptr<TensorBoardWriter>> events =
      TensorBoardWriter::Open(directory.TensorBoardPath(), options.resumed_step);
  if (!events.ok()) return events.status();
  absl::StatusOr<std::unique_ptr<CsvLog>> rows =
      CsvLog::Open(directory.LogPath(), {"loss", "reward", "mIoU", "pixel_accuracy", "learning_rate", "gradient_norm"},
                   options.resumed_step);
  if (!rows.ok()) return rows.status();
  log->events_ = *std::move(events);
  log->rows_ = *std::move(rows);
  log->progress_ = std::make_unique<Progress>(options.first_step, options.steps, &std::cerr, Progress::StandardError());
  log->progress_->Print(options.title);
  return log;
}

std::unique_ptr<TrainingLog> TrainingLog::Silent(const Options& options) {
  return std::unique_ptr<TrainingLog>(new TrainingLog(options));
}

void TrainingLog::AddToCurve(const std::string& name, int64_t step, double value) {
  for (auto& [existing, points] : curves_.values) {
    if (existing == name) return points.push_back({step, value});
  }
  curves_.values.push_back({name, {{step, value}}});
}

absl::Status TrainingLog::Step(int64_t step, const StepNumbers& numbers) {
  latest_ = numbers;
  for (const auto& [name, value] : numbers.values) {
    if (name == "reward") latest_reward_ = value;
  }
  if (step % options_.log_every != 0 && step != options_.steps) return absl::OkStatus();
  curves_.loss.push_back({step, numbers.loss});
  for (const auto& [name, value] : numbers.values) AddToCurve(name, step, value);
  if (events_ != nullptr) {
    events_->AddScalar("training/loss", numbers.loss, step);
    events_->AddScalar("training/learning_rate", numbers.learning_rate, step);
    events_->AddScalar("training/gradient_norm", numbers.gradient_norm, step);
    for (const auto& [name, value] : numbers.values) events_->AddScalar(absl::StrCat("training/", name), value, step);
  }
  if (rows_ == nullptr) return absl::OkStatus();
  return rows_->AddRow(
      step, {numbers.loss, latest_reward_, std::nan(""), std::nan(""), numbers.learning_rate, numbers.gradient_norm});
}

absl::Status TrainingLog::Evaluated(int64_t step, const Evaluation& evaluation) {
  latest_mean_iou_ = evaluation.mean_iou;
  curves_.mean_iou.push_back({step, evaluation.mean_iou});
  if (events_ != nullptr) {
    events_->AddScalar("validation/mIoU", evaluation.mean_iou, step);
    events_->AddScalar("validation/pixel_accuracy", evaluation.pixel_accuracy, step);
  }
  if (rows_ == nullptr) return absl::OkStatus();
  return rows_->AddRow(
      step, {std::nan(""), std::nan(""), evaluation.mean_iou, evaluation.pixel_accuracy, std::nan(""), std::nan("")});
}

void TrainingLog::Show(int64_t step) {
  if (progress_ == nullptr) return;
  ProgressValues shown = {{"loss", latest_.loss}};
  shown.insert(shown.end(), latest_.values.begin(), latest_.values.end());
  shown.push_back({"mIoU", latest_mean_iou_});
  progress_->Update(step, shown);
}

void TrainingLog::Finish() {
  if (progress_ != nullptr) progress_->Finish();
}

absl::Status TrainingLog::Flush() { return events_ != nullptr ? events_->Flush() : absl::OkStatus(); }

}  // namespace experiments
