#include "experiments/runner/training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/core/captured_step.h"
#include "autograd/core/tape.h"
#include "experiments/runner/batch_feed.h"
#include "experiments/runner/execution.h"
#include "experiments/runner/run_directory.h"
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

data::LoaderOptions Loading(const TrainingOptions& options, const autograd::Collective& collective,
                            const autograd::RandomKey& key, int64_t start_batch) {
  data::LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.threads = options.loader_threads;
  loading.prefetch = 4;
  loading.key = key;
  loading.shuffle = true;
  loading.height = options.crop_height;
  loading.width = options.crop_width;
  loading.rank = collective.rank();
  loading.world_size = collective.world_size();
  loading.start_batch = start_batch;
  return loading;
}

nn::Schedule RateSchedule(const TrainingOptions& options) {
  nn::Schedule schedule = nn::PolynomialSchedule(options.learning_rate, options.steps, options.power);
  schedule.warm_up_steps = options.warm_up_steps;
  schedule.warm_up_factor = 0.01;
  return schedule;
}

autograd::ReplicaSum Replicas(autograd::Collective& collective) {
  if (collective.world_size() == 1) return {};
  return {[](Array& values, void* context) { static_cast<autograd::Collective*>(context)->AllReduceSum(values); },
          &collective};
}

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

class Trainer {
 public:
  Trainer(const TrainingOptions& options, Segmenter& segmenter, const data::Dataset& training,
          const data::Dataset& validation, const Objective& objective, autograd::Collective& collective)
      : options_(options),
        segmenter_(segmenter),
        training_(training),
        validation_(validation),
        objective_(objective),
        collective_(collective),
        key_(autograd::RandomKey(options.seed).Split("training")),
        schedule_(RateSchedule(options)),
        replicas_(Replicas(collective)),
        optimizer_(MakeOptimizer(options, segmenter)),
        gradient_average_(optimizer_->parameters(), collective) {
    if (options.average_decay > 0) average_.emplace(segmenter.module(), options.average_decay);
  }

  // Before the first step: the folder, the checkpoint to go on from, the data, the log.
  absl::Status Open();
  absl::StatusOr<TrainingResult> Run(const InterruptHandler& interrupt);

 private:
  bool first_rank() const { return collective_.rank() == 0; }
  TrainingState State() {
    return {.segmenter = segmenter_,
            .optimizer = *optimizer_,
            .average = average_.has_value() ? &*average_ : nullptr,
            .seed = options_.seed,
            .step = step_};
  }
  absl::Status Save();
  absl::Status Evaluate();
  absl::Status Step();
  void Compute(const autograd::RandomKey& key);
  void ComputeOrReplay();
  // Averages what is shown and logged over the ranks, so that a loss that is not finite on one is so on all.
  StepNumbers ReadBack(double learning_rate);
  absl::Status StopAt(const char* what);

  const TrainingOptions& options_;
  Segmenter& segmenter_;
  const data::Dataset& training_;
  const data::Dataset& validation_;
  const Objective& objective_;
  autograd::Collective& collective_;
  const autograd::RandomKey key_;
  const nn::Schedule schedule_;
  const autograd::ReplicaSum replicas_;

  std::unique_ptr<nn::Optimizer> optimizer_;
  std::optional<nn::MovingAverage> average_;
  nn::GradientAverage gradient_average_;
  std::optional<RunDirectory> directory_;
  std::optional<BufferSnapshot> buffers_;
  std::unique_ptr<data::Loader> loader_;
  std::optional<BatchFeed> feed_;
  std::unique_ptr<TrainingLog> log_;
  Evaluation evaluation_;

  int64_t step_ = 0;  // steps done
  int update_ = 0;    // of this step
  // What Compute leaves behind.
  absl::StatusOr<StepResult> outcome_ = StepResult();
  Array norm_, sound_;
  std::optional<autograd::CapturedStep> captured_;
  int64_t captured_phase_ = 0;
};

absl::Status Trainer::Open() {
  absl::StatusOr<RunDirectory> directory = RunDirectory::Open(options_.directory, options_.resume || !first_rank());
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);

  std::optional<int64_t> resumed_step;
  if (std::optional<CheckpointFile> latest = directory_->LatestCheckpoint(); options_.resume && latest.has_value()) {
    TrainingState state = State();
    if (absl::Status status = LoadTrainingState(latest->path, state); !status.ok()) return status;
    step_ = state.step;
    resumed_step = step_;
  }
  buffers_.emplace(segmenter_.module());

  absl::StatusOr<std::unique_ptr<data::Loader>> loader = data::Loader::Create(
      &training_, options_.augmentation, Loading(options_, collective_, key_.Split("data"), step_));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  feed_.emplace(*loader_);

  const TrainingLog::Options logging = {
      .title = absl::StrCat(options_.label, ": ", options_.steps, " steps of ",
                            options_.batch_size * collective_.world_size(), " images",
                            step_ > 0 ? absl::StrCat(", resumed after step ", step_) : std::string()),
      .first_step = step_,
      .steps = options_.steps,
      .log_every = options_.log_every,
      .resumed_step = resumed_step};
  if (!first_rank()) {
    log_ = TrainingLog::Silent(logging);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<TrainingLog>> log = TrainingLog::Open(*directory_, logging);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  return absl::OkStatus();
}

absl::Status Trainer::Save() {
  if (!first_rank()) return absl::OkStatus();
  TrainingState state = State();
  absl::Status status = SaveTrainingState(directory_->CheckpointPath(step_), state);
  if (status.ok()) status = directory_->RemoveOldCheckpoints(2);
  if (status.ok()) status = log_->Flush();
  return status;
}

absl::Status Trainer::Evaluate() {
  std::optional<nn::AverageScope> averaged;
  if (average_.has_value()) averaged.emplace(*average_);
  absl::StatusOr<Evaluation> evaluation =
      experiments::Evaluate(segmenter_, validation_, options_.inference,
                            step_ < options_.steps ? options_.evaluation_images : 0, nullptr, &collective_);
  if (!evaluation.ok()) return evaluation.status();
  evaluation_ = *evaluation;
  return log_->Evaluated(step_, evaluation_);
}

// A whole update. Nothing is changed by one whose numbers are not finite; what it leaves in outcome_, norm_ and sound_ is read afterwards.
void Trainer::Compute(const autograd::RandomKey& key) {
  if (update_ == 0) buffers_->Take();
  autograd::Tape tape;
  const nn::Context context =
      nn::Context::Training(key.Split("network"), replicas_, collective_.rank() * feed_->images().shape()[0]);
  Variable auxiliary;
  const Variable logits = segmenter_.Logits(Variable(feed_->images()), context, &auxiliary);
  outcome_ = objective_.evaluate(logits, StepView{step_, update_, options_.steps, feed_->host(), feed_->labels(),
                                                  auxiliary, key.Split("objective"), collective_});
  if (!outcome_.ok()) return;
  gradient_average_.Watch(tape);
  tape.Backward(outcome_->loss);
  gradient_average_.Finish();
  norm_ = options_.clip_norm > 0 ? nn::ClipGradientNorm(optimizer_->parameters(), options_.clip_norm)
                                 : nn::GradientNorm(optimizer_->parameters());
  Array loss = outcome_->loss.array();
  if (collective_.world_size() > 1) {  // all ranks update or none
    loss = loss.Copy();
    collective_.AllReduceSum(loss);
  }
  sound_ = nn::AllFinite({loss, norm_});
  optimizer_->Update(sound_);
  optimizer_->ClearGradients();
  if (average_.has_value() && update_ + 1 == options_.inner_updates) average_->Update(sound_);
}

void Trainer::ComputeOrReplay() {
  const autograd::RandomKey key = key_.Split("step");
  if (!options_.capture) return Compute(key.Split(step_));
  const int64_t phase = objective_.phase != nullptr ? objective_.phase(step_, options_.steps) : 0;
  if (!captured_.has_value() || phase != captured_phase_) {
    captured_.reset();  // its memory is free again before the next one is recorded
    captured_.emplace([this](const autograd::RandomKey& step_key) { Compute(step_key); });
    captured_phase_ = phase;
  }
  captured_->Run(key, step_);
}

StepNumbers Trainer::ReadBack(double learning_rate) {
  // On a device the host waits for the step here and nowhere else.
  StepNumbers numbers;
  numbers.learning_rate = learning_rate;
  numbers.gradient_norm = norm_.Item();
  std::vector<double> of_this_rank = {outcome_->loss.Item()};
  if (outcome_->report != nullptr) numbers.values = outcome_->report();
  for (const auto& [name, value] : numbers.values) of_this_rank.push_back(value);
  AverageOverRanks(collective_, of_this_rank);
  numbers.loss = of_this_rank[0];
  for (size_t i = 0; i < numbers.values.size(); ++i) numbers.values[i].second = of_this_rank[i + 1];
  return numbers;
}

// The parameters are still those from before the step, so they are saved.
absl::Status Trainer::StopAt(const char* what) {
  buffers_->Restore();
  const absl::Status saved = Save();
  collective_.Barrier();  // every rank is here, and the first to leave ends the others
  return absl::AbortedError(absl::StrFormat(
      "%s: the %s is not finite at step %d; %s. Try a lower --learning_rate or --last_layer_factor, or a smaller "
      "--clip_norm.",
      options_.label, what, step_ + 1,
      saved.ok() ? absl::StrCat("the state after step ", step_, " is in ", directory_->CheckpointPath(step_))
                 : std::string(saved.message())));
}

absl::Status Trainer::Step() {
  if (absl::Status status = feed_->Next(); !status.ok()) return status;
  const double learning_rate = schedule_(step_);
  StepNumbers numbers;
  for (update_ = 0; update_ < options_.inner_updates; ++update_) {
    optimizer_->SetLearningRate(learning_rate);
    ComputeOrReplay();
    if (!outcome_.ok()) return outcome_.status();
    if (update_ == 0 && step_ + 1 < options_.steps) feed_->Prefetch();
    numbers = ReadBack(learning_rate);
    if (sound_.Item() == 0) return StopAt(std::isfinite(numbers.loss) ? "gradient" : "loss");
  }
  ++step_;
  return log_->Step(step_, numbers);
}

absl::StatusOr<TrainingResult> Trainer::Run(const InterruptHandler& interrupt) {
  const auto start = std::chrono::steady_clock::now();
  const int64_t first_step = step_;
  const Traffic traffic = collective_.traffic();
  double evaluation_seconds = 0;
  while (step_ < options_.steps && !OnAnyRank(collective_, interrupt.stop_requested())) {
    if (absl::Status status = Step(); !status.ok()) return status;
    const bool last = step_ == options_.steps;
    if (last || (options_.evaluate_every > 0 && step_ % options_.evaluate_every == 0)) {
      const auto before = std::chrono::steady_clock::now();
      if (absl::Status status = Evaluate(); !status.ok()) return status;
      evaluation_seconds += SecondsSince(before);
    }
    if (!last && options_.checkpoint_every > 0 && step_ % options_.checkpoint_every == 0) {
      if (absl::Status status = Save(); !status.ok()) return status;
    }
    log_->Show(step_);
  }

  TrainingResult result;
  result.seconds = SecondsSince(start);
  result.steps = step_;
  result.interrupted = step_ < options_.steps;
  if (const double seconds = result.seconds - evaluation_seconds; seconds > 0) {
    result.images_per_second =
        static_cast<double>((step_ - first_step) * options_.batch_size * collective_.world_size()) / seconds;
  }
  log_->Finish();
  result.traffic = MeanTraffic(traffic, collective_.traffic(), step_ - first_step);
  if (step_ == first_step && !result.interrupted) {  // resumed after the last step
    if (absl::Status status = Evaluate(); !status.ok()) return status;
  }
  if (step_ > first_step) {
    if (absl::Status status = Save(); !status.ok()) return status;
  }
  if (absl::Status status = log_->Flush(); !status.ok()) return status;
  result.evaluation = evaluation_;
  result.curves = log_->curves();
  return result;
}

}  // namespace

absl::StatusOr<TrainingResult> Train(const TrainingOptions& options, Segmenter& segmenter,
                                     const data::Dataset& training, const data::Dataset& validation,
                                     const Objective& objective, autograd::Collective& collective,
                                     const InterruptHandler& interrupt) {
  if (options.capture && (!objective.recordable || options.inner_updates != 1 || collective.world_size() != 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--capture needs the same work every step on one rank: ", options.label,
                     collective.world_size() != 1 ? " has several ranks"
                     : options.inner_updates != 1 ? " has several updates a batch"
                                                  : " has rewards that come from outside"));
  }
  Trainer trainer(options, segmenter, training, validation, objective, collective);
  if (absl::Status status = trainer.Open(); !status.ok()) return status;
  return trainer.Run(interrupt);
}

}  // namespace experiments
