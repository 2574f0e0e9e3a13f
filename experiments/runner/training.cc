#include "experiments/runner/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/core/captured_step.h"
#include "autograd/core/tape.h"
#include "experiments/runner/batch_feed.h"
#include "experiments/runner/csv_log.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/progress.h"
#include "experiments/runner/run_directory.h"
#include "experiments/runner/tensorboard_writer.h"
#include "experiments/runner/training_state.h"
#include "nn/optimizers/adamw.h"
#include "nn/optimizers/gradient_average.h"
#include "nn/optimizers/moving_average.h"
#include "nn/optimizers/sgd.h"
#include "nn/schedules/schedule.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::Variable;

std::unique_ptr<nn::Optimizer> MakeOptimizer(const TrainingOptions& options, Segmenter& segmenter) {
  nn::GroupOptions groups;
  groups.weight_decay = options.weight_decay;
  if (options.last_layer_factor != 1) groups.rate_factors.push_back({segmenter.LastLayer(), options.last_layer_factor});
  std::vector<nn::OptimizedParameter> parameters = nn::GroupParameters(segmenter.module(), groups);
  if (options.optimizer == OptimizerKind::kSgd) {
    return std::make_unique<nn::Sgd>(std::move(parameters), nn::SgdOptions{.momentum = options.momentum});
  }
  return std::make_unique<nn::AdamW>(std::move(parameters));
}

// The buffers (running statistics), which a forward pass has changed by the time its loss turns out not to be finite.
class BufferSnapshot {
 public:
  explicit BufferSnapshot(const nn::ModuleReference& module) : buffers_(nn::NamedBuffers(module)) {
    for (const nn::NamedBuffer& buffer : buffers_) copies_.push_back(buffer.array->Copy());
  }
  void Take() {
    for (size_t i = 0; i < copies_.size(); ++i) copies_[i].CopyFrom(*buffers_[i].array);
  }
  void Restore() const {
    for (size_t i = 0; i < copies_.size(); ++i) buffers_[i].array->CopyFrom(copies_[i]);
  }

 private:
  std::vector<nn::NamedBuffer> buffers_;
  std::vector<Array> copies_;
};

// What is shown and logged is of the whole batch, and a loss that is not finite on one rank is so on all.
void AverageOverRanks(autograd::Collective& collective, double& loss, NamedValues& values) {
  std::vector<double> numbers = {loss};
  for (const auto& [name, value] : values) numbers.push_back(value);
  experiments::AverageOverRanks(collective, numbers);
  loss = numbers[0];
  for (size_t i = 0; i < values.size(); ++i) values[i].second = numbers[i + 1];
}

class Curves {
 public:
  explicit Curves(TrainingResult& result) : result_(result) {}
  void Add(const std::string& name, int64_t step, double value) {
    for (auto& [existing, points] : result_.values) {
      if (existing == name) return points.push_back({step, value});
    }
    result_.values.push_back({name, {{step, value}}});
  }

 private:
  TrainingResult& result_;
};

}  // namespace

absl::StatusOr<TrainingResult> Train(const TrainingOptions& options, Segmenter& segmenter,
                                     const data::Dataset& training, const data::Dataset& validation,
                                     const Objective& objective, autograd::Collective& collective,
                                     const InterruptHandler& interrupt) {
  const bool first_rank = collective.rank() == 0;
  if (options.capture && (!objective.recordable || options.inner_updates != 1 || collective.world_size() != 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--capture needs the same work every step on one rank: ", options.label,
                     collective.world_size() != 1 ? " has several ranks"
                     : options.inner_updates != 1 ? " has several updates a batch"
                                                  : " has rewards or scales that change or come from outside"));
  }
  absl::StatusOr<RunDirectory> directory = RunDirectory::Open(options.directory, options.resume || !first_rank);
  if (!directory.ok()) return directory.status();

  std::unique_ptr<nn::Optimizer> optimizer = MakeOptimizer(options, segmenter);
  std::optional<nn::MovingAverage> average;
  if (options.average_decay > 0) average.emplace(segmenter.module(), options.average_decay);
  TrainingState state{
      .segmenter = segmenter, .optimizer = *optimizer, .average = average ? &*average : nullptr, .seed = options.seed};

  int64_t step = 0;
  std::optional<int64_t> resumed_step;
  if (std::optional<CheckpointFile> latest = directory->LatestCheckpoint(); options.resume && latest.has_value()) {
    absl::Status status = LoadTrainingState(latest->path, state);
    if (!status.ok()) return status;
    step = state.step;
    resumed_step = step;
  }

  nn::Schedule schedule = nn::PolynomialSchedule(options.learning_rate, options.steps, options.power);
  schedule.warm_up_steps = options.warm_up_steps;
  schedule.warm_up_factor = 0.01;
  const autograd::RandomKey key = autograd::RandomKey(options.seed).Split("training");

  data::LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.threads = options.loader_threads;
  loading.prefetch = 4;
  loading.key = key.Split("data");
  loading.shuffle = true;
  loading.height = options.crop_height;
  loading.width = options.crop_width;
  loading.rank = collective.rank();
  loading.world_size = collective.world_size();
  loading.start_batch = step;
  absl::StatusOr<std::unique_ptr<data::Loader>> loader = data::Loader::Create(&training, options.augmentation, loading);
  if (!loader.ok()) return loader.status();

  std::unique_ptr<TensorBoardWriter> events;
  std::unique_ptr<CsvLog> csv;
  if (first_rank) {
    auto opened = TensorBoardWriter::Open(directory->TensorBoardPath(), resumed_step);
    if (!opened.ok()) return opened.status();
    events = *std::move(opened);
    auto log =
        CsvLog::Open(directory->LogPath(),
                     {"loss", "reward", "mIoU", "pixel_accuracy", "learning_rate", "gradient_norm"}, resumed_step);
    if (!log.ok()) return log.status();
    csv = *std::move(log);
  }
  std::optional<Progress> progress;
  if (first_rank) {
    progress.emplace(step, options.steps, &std::cerr, Progress::StandardError());
    progress->Print(absl::StrCat(options.label, ": ", options.steps, " steps of ",
                                 options.batch_size * collective.world_size(), " images",
                                 step > 0 ? absl::StrCat(", resumed after step ", step) : std::string()));
  }

  TrainingResult result;
  Curves curves(result);
  double latest_mean_iou = std::nan(""), latest_reward = std::nan("");

  auto save = [&]() -> absl::Status {
    state.step = step;
    if (!first_rank) return absl::OkStatus();
    absl::Status status = SaveTrainingState(directory->CheckpointPath(step), state);
    if (status.ok()) status = directory->RemoveOldCheckpoints(2);
    return status;
  };
  auto evaluate = [&]() -> absl::Status {
    std::optional<nn::AverageScope> averaged;
    if (average.has_value()) averaged.emplace(*average);
    absl::StatusOr<Evaluation> evaluation =
        Evaluate(segmenter, validation, options.inference, step < options.steps ? options.evaluation_images : 0,
                 nullptr, &collective);
    if (!evaluation.ok()) return evaluation.status();
    result.evaluation = *evaluation;
    latest_mean_iou = evaluation->mean_iou;
    result.mean_iou.push_back({step, evaluation->mean_iou});
    if (events != nullptr) {
      events->AddScalar("validation/mIoU", evaluation->mean_iou, step);
      events->AddScalar("validation/pixel_accuracy", evaluation->pixel_accuracy, step);
    }
    return csv != nullptr ? csv->AddRow(step, {std::nan(""), std::nan(""), evaluation->mean_iou,
                                               evaluation->pixel_accuracy, std::nan(""), std::nan("")})
                          : absl::OkStatus();
  };
  // A number that is not finite: the parameters are still those from before the step, so they are saved.
  BufferSnapshot buffers(segmenter.module());
  autograd::ReplicaSum replicas;
  if (collective.world_size() > 1) {
    replicas = {[](Array& values, void* context) { static_cast<autograd::Collective*>(context)->AllReduceSum(values); },
                &collective};
  }
  nn::GradientAverage gradient_average(optimizer->parameters(), collective);
  auto stop_at = [&](const char* what) {
    buffers.Restore();
    const absl::Status saved = save();
    collective.Barrier();  // every rank is here, and the first to leave ends the others
    return absl::AbortedError(absl::StrFormat(
        "%s: the %s is not finite at step %d; %s. Try a lower --learning_rate or --last_layer_factor, or a smaller "
        "--clip_norm.",
        options.label, what, step + 1,
        saved.ok() ? absl::StrCat("the state after step ", step, " is in ", directory->CheckpointPath(step))
                   : std::string(saved.message())));
  };

  BatchFeed feed(**loader);
  int update = 0;
  absl::StatusOr<StepResult> outcome = StepResult();
  Array norm, sound;
  // A whole step. Nothing is updated when its numbers are not finite; what it leaves in `outcome`, `norm` and `sound` is read afterwards.
  const auto compute = [&](const autograd::RandomKey& step_key) {
    if (update == 0) buffers.Take();
    autograd::Tape tape;
    const nn::Context context =
        nn::Context::Training(step_key.Split("network"), replicas, collective.rank() * feed.images().shape()[0]);
    Variable auxiliary;
    const Variable logits = segmenter.Logits(Variable(feed.images()), context, &auxiliary);
    outcome = objective.evaluate(logits, StepView{step, update, options.steps, feed.host(), feed.labels(), auxiliary,
                                                  step_key.Split("objective"), collective});
    if (!outcome.ok()) return;
    gradient_average.Watch(tape);
    tape.Backward(outcome->loss);
    gradient_average.Finish();
    norm = options.clip_norm > 0 ? nn::ClipGradientNorm(optimizer->parameters(), options.clip_norm)
                                 : nn::GradientNorm(optimizer->parameters());
    Array loss = outcome->loss.array();
    if (collective.world_size() > 1) {  // all ranks update or none
      loss = loss.Copy();
      collective.AllReduceSum(loss);
    }
    sound = nn::AllFinite({loss, norm});
    optimizer->Update(sound);
    optimizer->ClearGradients();
    if (average.has_value() && update + 1 == options.inner_updates) average->Update(sound);
  };
  const autograd::RandomKey steps_key = key.Split("step");
  std::optional<autograd::CapturedStep> captured;
  if (options.capture) captured.emplace(compute);

  const auto start = std::chrono::steady_clock::now();
  double evaluation_seconds = 0;
  const int64_t first_step = step;
  const std::map<std::string, autograd::Collective::Traffic> traffic = collective.traffic();
  while (step < options.steps && !OnAnyRank(collective, interrupt.stop_requested())) {
    if (absl::Status status = feed.Next(); !status.ok()) return status;
    const double learning_rate = schedule(step);
    double loss = 0, gradient_norm = 0;
    NamedValues values;
    for (update = 0; update < options.inner_updates; ++update) {
      optimizer->SetLearningRate(learning_rate);
      if (captured.has_value()) {
        captured->Run(steps_key, step);
      } else {
        compute(steps_key.Split(step));
      }
      if (!outcome.ok()) return outcome.status();
      if (update == 0 && step + 1 < options.steps) feed.Prefetch();
      // On a device the host waits for the step here and nowhere else.
      gradient_norm = norm.Item();
      loss = outcome->loss.Item();
      if (outcome->report != nullptr) values = outcome->report();
      AverageOverRanks(collective, loss, values);
      if (sound.Item() == 0) return stop_at(std::isfinite(loss) ? "gradient" : "loss");
    }
    ++step;

    ProgressValues shown = {{"loss", loss}};
    for (const auto& [name, value] : values) {
      if (name == "reward") latest_reward = value;
      shown.push_back({name, value});
    }
    shown.push_back({"mIoU", latest_mean_iou});
    if (step % options.log_every == 0 || step == options.steps) {
      result.loss.push_back({step, loss});
      for (const auto& [name, value] : values) curves.Add(name, step, value);
      if (csv != nullptr) {
        absl::Status status =
            csv->AddRow(step, {loss, latest_reward, std::nan(""), std::nan(""), learning_rate, gradient_norm});
        if (!status.ok()) return status;
      }
      if (events != nullptr) {
        events->AddScalar("training/loss", loss, step);
        events->AddScalar("training/learning_rate", learning_rate, step);
        events->AddScalar("training/gradient_norm", gradient_norm, step);
        for (const auto& [name, value] : values) events->AddScalar(absl::StrCat("training/", name), value, step);
      }
    }
    if ((options.evaluate_every > 0 && step % options.evaluate_every == 0) || step == options.steps) {
      const auto before = std::chrono::steady_clock::now();
      absl::Status status = evaluate();
      if (!status.ok()) return status;
      evaluation_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    }
    if (options.checkpoint_every > 0 && step % options.checkpoint_every == 0 && step < options.steps) {
      absl::Status status = save();
      if (!status.ok()) return status;
      if (events != nullptr) status.Update(events->Flush());
      if (!status.ok()) return status;
    }
    if (progress.has_value()) progress->Update(step, shown);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.steps = step;
  result.interrupted = step < options.steps;
  const double training_seconds = result.seconds - evaluation_seconds;
  if (training_seconds > 0) {
    result.images_per_second =
        static_cast<double>((step - first_step) * options.batch_size * collective.world_size()) / training_seconds;
  }
  if (progress.has_value()) progress->Finish();
  for (const auto& [operation, after] : collective.traffic()) {
    const auto before = traffic.find(operation);
    const auto mean = [&](int64_t autograd::Collective::Traffic::*number) {
      const int64_t count = after.*number - (before != traffic.end() ? before->second.*number : 0);
      return static_cast<double>(count) / static_cast<double>(std::max<int64_t>(step - first_step, 1));
    };
    const TrafficOfAStep here = {operation, mean(&autograd::Collective::Traffic::calls),
                                 mean(&autograd::Collective::Traffic::bytes)};
    if (here.calls > 0) result.traffic.push_back(here);
  }
  if (step == options.steps && first_step == step) {
    absl::Status status = evaluate();  // resumed after the last step
    if (!status.ok()) return status;
  }
  if (step > first_step) {
    absl::Status status = save();
    if (!status.ok()) return status;
  }
  if (events != nullptr) {
    absl::Status status = events->Flush();
    if (!status.ok()) return status;
  }
  return result;
}

}  // namespace experiments
