#include "experiments/runner/training.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/examples.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/run_folder.h"
#include "experiments/runner/training_log.h"
#include "nlohmann/json.hpp"
#include "nn/checkpoints/weights.h"

namespace experiments {
namespace {

using Traffic = std::map<std::string, autograd::Collective::Traffic>;

std::vector<TrafficOfAStep> MeanTraffic(const Traffic& before, const Traffic& after, int64_t steps) {
  std::vector<TrafficOfAStep> means;
  for (const auto& [operation, total] : after) {
    const auto found = before.find(operation);
    const autograd::Collective::Traffic earlier =
        found != before.end() ? found->second : autograd::Collective::Traffic();
    const auto divisor = static_cast<double>(std::max<int64_t>(steps, 1));
    const TrafficOfAStep mean = {operation, static_cast<double>(total.calls - earlier.calls) / divisor,
                                 static_cast<double>(total.bytes - earlier.bytes) / divisor};
    if (mean.calls > 0) means.push_back(mean);
  }
  return means;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The step of a checkpoint that this run may go on from.
absl::StatusOr<int64_t> CheckCheckpoint(const std::string& path, const TrainingOptions& options, const Network& network,
                                        const RunContext& context) {
  const absl::StatusOr<nn::SafetensorsFile> file = nn::SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  const auto entry = [&](const char* name) {
    const auto found = file->metadata().find(name);
    return found == file->metadata().end() ? std::string() : found->second;
  };
  int64_t step = 0;
  if (!absl::SimpleAtoi(entry("step"), &step) || step < 0)
    return absl::InvalidArgumentError(absl::StrCat(path, ": metadata 'step' is '", entry("step"),
                                                   "', not a step count: this is no training checkpoint"));
  if (entry("network") != network.description())
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": is a checkpoint of '", entry("network"), "', not of '", network.description(), "'"));
  const nlohmann::json json = nlohmann::json::parse(entry("settings"), nullptr, false);
  std::vector<std::pair<std::string, std::string>> settings;
  try {
    settings = json.get<std::vector<std::pair<std::string, std::string>>>();
  } catch (const nlohmann::json::exception&) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": metadata 'settings' is no list of settings"));
  }
  if (const auto other = Differences(settings, context.settings, SettingRole::kResult); !other.empty())
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": the run that is to go on has other settings: ", ToString(other),
                     "; leave them out to go on, or choose another --output"));
  if (step > options.steps)
    return absl::FailedPreconditionError(absl::StrCat(path, ": step ", step, " is beyond --steps=", options.steps));
  return step;
}

class Course {
 public:
  Course(const TrainingOptions& options, Learner& learner, Network& network, const OpenedData& data,
         const NetworkDescription& description, const RunContext& context, const ExamplePanels& panels)
      : options_(options),
        learner_(learner),
        network_(network),
        data_(data),
        description_(description),
        context_(context),
        panels_(panels) {}

  // Before the first step: the folder, the checkpoint to go on from, the log.
  absl::Status Open();
  absl::StatusOr<RunRecord> Run();

 private:
  bool StopRequested() const { return OnAnyRank(context_.collective, context_.interrupt.stop_requested()); }
  int64_t NextPause() const;
  absl::Status Save();
  // `error` with what became of the steps so far.
  absl::Status SaveAfter(const absl::Status& error);
  absl::Status Evaluate();
  absl::Status RunToPause();

  const TrainingOptions& options_;
  Learner& learner_;
  Network& network_;
  const OpenedData& data_;
  const NetworkDescription& description_;
  const RunContext& context_;
  const ExamplePanels& panels_;
  std::optional<RunFolder> folder_;
  std::unique_ptr<TrainingLog> log_;
  Evaluation evaluation_;
  std::vector<Example> examples_;
  int64_t first_step_ = 0, step_ = 0, saved_step_ = -1;
  bool stop_ = false;
  bool evaluation_missing_ = false;  // the last one was left because of a signal
  double evaluation_seconds_ = 0;
};

absl::Status Course::Open() {
  absl::StatusOr<RunFolder> folder = RunFolder::Open(context_.folder, context_.resume || !context_.first_rank());
  if (!folder.ok()) return folder.status();
  folder_ = *std::move(folder);

  std::optional<int64_t> resumed_step;
  if (std::optional<CheckpointFile> latest = folder_->LatestCheckpoint(); context_.resume && latest.has_value()) {
    const absl::StatusOr<int64_t> step = CheckCheckpoint(latest->path, options_, network_, context_);
    if (!step.ok()) return step.status();
    nn::ModuleReference state(learner_);
    if (absl::StatusOr<nn::LoadReport> report = nn::LoadWeights(latest->path, state); !report.ok())
      return report.status();
    first_step_ = step_ = saved_step_ = *step;
    resumed_step = step_;
  }
  if (context_.accepted != nullptr) {
    if (absl::Status status = context_.accepted(); !status.ok()) return status;
  }

  const TrainingLog::Options logging = {
      .title = absl::StrCat(context_.label, ": ", options_.steps, " steps of ",
                            options_.batch_size * context_.collective.world_size(), " images",
                            step_ > 0 ? absl::StrCat(", resumed after step ", step_) : std::string()),
      .first_step = step_,
      .steps = options_.steps,
      .log_every = options_.log_every,
      .resumed_step = resumed_step,
      .score_names = data_.NewScorer()->Names()};
  if (!context_.first_rank()) {
    log_ = TrainingLog::Silent(logging);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<TrainingLog>> log = TrainingLog::Open(*folder_, logging);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  return absl::OkStatus();
}

absl::Status Course::Save() {
  if (!context_.first_rank() || saved_step_ == step_) return absl::OkStatus();
  nn::Metadata metadata = ToMetadata(description_);
  metadata["step"] = absl::StrCat(step_);
  metadata["network"] = network_.description();
  nlohmann::json settings = nlohmann::json::array();
  for (const SettingValue& setting : context_.settings) settings.push_back({setting.name, setting.value});
  metadata["settings"] = settings.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  absl::Status status = nn::SaveWeights(folder_->CheckpointPath(step_), nn::ModuleReference(learner_), metadata);
  if (status.ok()) saved_step_ = step_;
  if (status.ok()) status = folder_->RemoveOldCheckpoints(2);
  if (status.ok()) status = log_->Flush();
  return status;
}

absl::Status Course::SaveAfter(const absl::Status& error) {
  log_->Finish();
  if (step_ == 0 || IsWrongFlag(error)) return error;
  const absl::Status saved = Save();
  absl::Status told(
      error.code(),
      absl::StrCat(error.message(), "; ",
                   saved.ok()
                       ? absl::StrCat("the state after step ", step_, " is saved in ", folder_->CheckpointPath(step_))
                       : absl::StrCat("and the state after step ", step_, " could not be saved: ", saved.message())));
  error.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { told.SetPayload(url, payload); });
  return told;
}

absl::Status Course::Evaluate() {
  const auto before = std::chrono::steady_clock::now();
  std::optional<nn::AverageScope> averaged;
  if (learner_.average() != nullptr) averaged.emplace(*learner_.average());
  const std::unique_ptr<Scorer> scorer = data_.NewScorer();
  absl::StatusOr<Evaluation> evaluation =
      experiments::Evaluate(network_, *data_.validation, data_.inference, *scorer,
                            {.limit = step_ < options_.steps ? options_.evaluation_images : 0,
                             .reader_threads = options_.loader_threads,
                             .collective = &context_.collective,
                             // Ranks are stopped together, between steps.
                             .stop = context_.collective.world_size() > 1 ? std::function<bool()>() : [this] {
                               return context_.interrupt.stop_requested();
                             }});
  if (absl::IsCancelled(evaluation.status())) {
    stop_ = evaluation_missing_ = true;
    return absl::OkStatus();
  }
  if (!evaluation.ok()) return evaluation.status();
  evaluation_missing_ = false;
  evaluation_ = *std::move(evaluation);
  if (context_.first_rank()) {
    absl::StatusOr<std::vector<Example>> examples = WriteExamples(network_, data_, panels_, folder_->PicturesPath());
    if (!examples.ok()) return examples.status();
    if (examples_.empty())
      log_->Say(absl::StrCat("    image, label, ", absl::StrJoin(panels_.captions, ", "),
                             panels_.captions.empty() ? "" : ", ", "prediction and errors: ", folder_->PicturesPath(),
                             " (anew at every evaluation)"));
    examples_ = *std::move(examples);
  }
  evaluation_seconds_ += SecondsSince(before);
  return log_->Evaluated(step_, evaluation_.scores);
}

// The first step after which something else is to be done.
int64_t Course::NextPause() const {
  int64_t pause = options_.steps;
  for (const int64_t period : {options_.evaluate_every, options_.checkpoint_every}) {
    if (period > 0) pause = std::min(pause, (step_ / period + 1) * period);
  }
  return pause;
}

absl::Status Course::RunToPause() {
  const int64_t pause = NextPause();
  const auto done = [&](int64_t step, const StepNumbers& numbers) -> absl::StatusOr<bool> {
    step_ = step;
    if (absl::Status status = log_->Step(step, numbers); !status.ok()) return status;
    if (step == pause) return true;  // asked below, after what is to be done there
    log_->Show(step);
    stop_ = StopRequested();
    return !stop_;
  };
  if (const absl::StatusOr<int64_t> reached = learner_.Run(step_, pause, done); !reached.ok()) return reached.status();
  const bool last = step_ == options_.steps;
  // Saved before it is evaluated: whoever kills a long evaluation loses nothing.
  if (last || (options_.checkpoint_every > 0 && step_ % options_.checkpoint_every == 0)) {
    if (absl::Status status = Save(); !status.ok()) return status;
  }
  if (last || (options_.evaluate_every > 0 && step_ % options_.evaluate_every == 0)) {
    if (absl::Status status = Evaluate(); !status.ok()) return status;
  }
  log_->Show(step_);
  if (!last && step_ == pause && !stop_) stop_ = StopRequested();
  return absl::OkStatus();
}

absl::StatusOr<RunRecord> Course::Run() {
  const auto start = std::chrono::steady_clock::now();
  const Traffic traffic = context_.collective.traffic();
  stop_ = step_ < options_.steps && StopRequested();
  // The evaluation in which the run was stopped.
  const bool evaluated_here =
      step_ > 0 && step_ < options_.steps && options_.evaluate_every > 0 && step_ % options_.evaluate_every == 0;
  if (evaluated_here && !stop_ && OnAnyRank(context_.collective, log_->LacksScores(step_))) {
    if (absl::Status status = Evaluate(); !status.ok()) return SaveAfter(status);
  }
  while (step_ < options_.steps && !stop_) {
    if (absl::Status status = RunToPause(); !status.ok()) return SaveAfter(status);
  }

  RunRecord record;
  record.seconds = SecondsSince(start);
  record.steps = step_;
  record.interrupted = step_ < options_.steps || evaluation_missing_;
  if (const double seconds = record.seconds - evaluation_seconds_; seconds > 0) {
    record.images_per_second =
        static_cast<double>((step_ - first_step_) * options_.batch_size * context_.collective.world_size()) / seconds;
  }
  log_->Finish();
  record.traffic = MeanTraffic(traffic, context_.collective.traffic(), step_ - first_step_);
  if (step_ == first_step_ && !record.interrupted) {  // resumed after the last step
    if (absl::Status status = Evaluate(); !status.ok()) return status;
    record.interrupted = evaluation_missing_;
  }
  if (absl::Status status = Save(); !status.ok()) return status;
  if (absl::Status status = log_->Flush(); !status.ok()) return status;
  record.learner_summary = learner_.Summary();
  record.scores = evaluation_.scores;
  record.examples = std::move(examples_);
  record.class_iou = evaluation_.confusion.ClassIou();
  for (const seg::ClassCounts& counts : evaluation_.confusion.ByClass()) record.label_pixels.push_back(counts.truth);
  record.curves = log_->curves();
  record.dataset = data_.validation->info();
  return record;
}

}  // namespace

absl::StatusOr<RunRecord> Train(const TrainingOptions& options, Learner& learner, Network& network,
                                const OpenedData& data, const NetworkDescription& description,
                                const RunContext& context, const ExamplePanels& panels) {
  Course course(options, learner, network, data, description, context, panels);
  if (absl::Status status = course.Open(); !status.ok()) return status;
  return course.Run();
}

}  // namespace experiments
