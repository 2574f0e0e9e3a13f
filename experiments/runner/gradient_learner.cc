#include "experiments/runner/gradient_learner.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/core/tape.h"
#include "experiments/runner/execution.h"

namespace experiments {
namespace {

using autograd::Array;

autograd::ReplicaSum Replicas(autograd::Collective& collective) {
  if (collective.world_size() == 1) return {};
  return {[](Array& values, void* context) { static_cast<autograd::Collective*>(context)->AllReduceSum(values); },
          &collective};
}

}  // namespace

data::LoaderOptions TrainingLoading(const TrainingOptions& options, const OpenedData& data,
                                    const autograd::Collective& collective, const autograd::RandomKey& key,
                                    int64_t start_batch) {
  data::LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.threads = options.loader_threads;
  loading.prefetch = 4;
  loading.key = key;
  loading.shuffle = true;
  loading.height = data.crop_height;
  loading.width = data.crop_width;
  loading.rank = collective.rank();
  loading.world_size = collective.world_size();
  loading.start_batch = start_batch;
  return loading;
}

absl::StatusOr<std::unique_ptr<GradientLearner>> GradientLearner::Create(const TrainingOptions& training,
                                                                         const GradientOptions& gradient,
                                                                         Objective& objective, const OpenedData& data,
                                                                         const RunContext& context) {
  const int ranks = context.collective.world_size();
  if (gradient.capture && (!objective.recordable() || gradient.inner_updates != 1 || ranks != 1)) {
    return WrongFlag(absl::StrCat("--capture needs the same work every step on one rank: ", context.label,
                                  ranks != 1                    ? " has several ranks"
                                  : gradient.inner_updates != 1 ? " has several updates a batch"
                                                                : " has steps that cannot be recorded, such as rewards "
                                                                  "that come from outside"));
  }
  return std::unique_ptr<GradientLearner>(new GradientLearner(training, gradient, objective, data, context));
}

GradientLearner::GradientLearner(const TrainingOptions& training, const GradientOptions& gradient, Objective& objective,
                                 const OpenedData& data, const RunContext& context)
    : training_(training),
      gradient_(gradient),
      objective_(objective),
      data_(data),
      context_(context),
      key_(context.key.Split("training")),
      schedule_(RateSchedule(gradient, training.steps)),
      replicas_(Replicas(context.collective)),
      optimizer_(MakeOptimizer(gradient, objective.module())),
      gradient_average_(optimizer_->parameters(), context.collective) {
  if (gradient.average_decay > 0) average_.emplace(objective.module(), gradient.average_decay);
}

void GradientLearner::Fields(nn::FieldVisitor& visitor) {
  nn::ModuleReference model = objective_.module();
  visitor.Field("model", model);
  visitor.Field("optimizer", *optimizer_);
  if (average_.has_value()) visitor.Field("average", *average_);
  visitor.Field("objective", objective_);
}

absl::Status GradientLearner::Start(int64_t first) {
  if (loader_ != nullptr && step_ == first) return absl::OkStatus();
  feed_.reset();
  absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(data_.training.get(), data_.augmentation,
                           TrainingLoading(training_, data_, context_.collective, key_.Split("data"), first));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  feed_.emplace(*loader_);
  // With several updates a step, the parameters have moved as well by the time one of the later ones fails.
  before_.emplace(gradient_.inner_updates > 1 ? nn::ModuleReference(*this) : objective_.module(),
                  gradient_.inner_updates > 1);
  step_ = first;
  return absl::OkStatus();
}

// A whole update. Nothing is changed by one whose numbers are not finite; what it leaves in outcome_, norm_ and sound_
// is read afterwards.
void GradientLearner::Compute(const autograd::RandomKey& key) {
  if (update_ == 0) before_->Take();
  autograd::Collective& collective = context_.collective;
  autograd::Tape tape;
  const nn::Context network =
      nn::Context::Training(key.Split("network"), replicas_, collective.rank() * feed_->images().shape()[0]);
  outcome_ = objective_.Loss(StepView{step_, training_.steps, update_, feed_->host(), feed_->images(), feed_->labels(),
                                      network, key.Split("objective"), collective});
  if (!outcome_.ok()) return;
  gradient_average_.Watch(tape);
  tape.Backward(outcome_->loss);
  gradient_average_.Finish();
  norm_ = gradient_.clip_norm > 0 ? nn::ClipGradientNorm(optimizer_->parameters(), gradient_.clip_norm)
                                  : nn::GradientNorm(optimizer_->parameters());
  Array loss = outcome_->loss.array();
  if (collective.world_size() > 1) {  // all ranks update or none
    loss = loss.Copy();
    collective.AllReduceSum(loss);
  }
  sound_ = nn::AllFinite({loss, norm_});
  optimizer_->Update(sound_);
  optimizer_->ClearGradients();
  objective_.Updated(sound_);
  if (average_.has_value() && update_ + 1 == gradient_.inner_updates) average_->Update(sound_);
}

void GradientLearner::ComputeOrReplay() {
  const autograd::RandomKey key = key_.Split("step");
  if (!gradient_.capture) return Compute(key.Split(step_));
  const int64_t phase = objective_.Phase(step_, training_.steps);
  if (!captured_.has_value() || phase != captured_phase_) {
    captured_.reset();  // its memory is free again before the next one is recorded
    captured_.emplace([this](const autograd::RandomKey& step_key) { Compute(step_key); });
    captured_phase_ = phase;
  }
  captured_->Run(key, step_);
}

StepNumbers GradientLearner::ReadBack(double learning_rate) {
  // On a device the host waits for the step here and nowhere else.
  StepNumbers numbers;
  numbers.learning_rate = learning_rate;
  numbers.gradient_norm = norm_.Item();
  std::vector<double> of_this_rank = {outcome_->loss.Item()};
  if (outcome_->report != nullptr) numbers.values = outcome_->report();
  for (const auto& [name, value] : numbers.values) of_this_rank.push_back(value);
  AverageOverRanks(context_.collective, of_this_rank);
  numbers.loss = of_this_rank[0];
  for (size_t i = 0; i < numbers.values.size(); ++i) numbers.values[i].second = of_this_rank[i + 1];
  return numbers;
}

absl::StatusOr<StepNumbers> GradientLearner::Step() {
  if (absl::Status status = feed_->Next(); !status.ok()) return status;
  const double learning_rate = schedule_(step_);
  StepNumbers numbers;
  for (update_ = 0; update_ < gradient_.inner_updates; ++update_) {
    optimizer_->SetLearningRate(learning_rate);
    ComputeOrReplay();
    if (!outcome_.ok()) {
      before_->Restore();
      return outcome_.status();
    }
    if (update_ == 0 && step_ + 1 < training_.steps) feed_->Prefetch();
    numbers = ReadBack(learning_rate);
    if (sound_.Item() == 0) {
      before_->Restore();
      return absl::AbortedError(absl::StrFormat(
          "%s: the %s is not finite at step %d. Try a lower --learning_rate or --last_layer_factor, or a smaller "
          "--clip_norm",
          context_.label, std::isfinite(numbers.loss) ? "gradient" : "loss", step_ + 1));
    }
  }
  ++step_;
  return numbers;
}

absl::StatusOr<int64_t> GradientLearner::Run(int64_t first, int64_t last, const StepSink& done) {
  if (absl::Status status = Start(first); !status.ok()) return status;
  while (step_ < last) {
    const absl::StatusOr<StepNumbers> numbers = Step();
    if (!numbers.ok()) return numbers.status();
    const absl::StatusOr<bool> go_on = done(step_, *numbers);
    if (!go_on.ok()) return go_on.status();
    if (!*go_on) break;
  }
  return step_;
}

}  // namespace experiments
