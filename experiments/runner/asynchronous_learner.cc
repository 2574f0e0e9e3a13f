#include "experiments/runner/asynchronous_learner.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "autograd/core/tape.h"
#include "autograd/runtime/parallel.h"
#include "autograd/runtime/stream.h"
#include "experiments/runner/gradient_learner.h"
#include "experiments/runner/state_snapshot.h"
#include "nn/twins.h"

namespace experiments {
namespace {

class ObjectiveOnTwin : public Objective {
 public:
  ObjectiveOnTwin(std::unique_ptr<Network> twin, const std::function<std::unique_ptr<Objective>(Network&)>& make)
      : twin_(std::move(twin)), objective_(make(*twin_)) {}
  nn::ModuleReference module() override { return objective_->module(); }
  absl::StatusOr<StepResult> Loss(const StepView& view) override { return objective_->Loss(view); }

 private:
  std::unique_ptr<Network> twin_;
  std::unique_ptr<Objective> objective_;
};

}  // namespace

using autograd::Array;

std::unique_ptr<Objective> OnTwin(const Network& network,
                                  const std::function<std::unique_ptr<Objective>(Network& twin)>& make) {
  return std::make_unique<ObjectiveOnTwin>(network.Twin(), make);
}

absl::StatusOr<std::unique_ptr<AsynchronousLearner>> AsynchronousLearner::Create(
    int workers, const TrainingOptions& training, const GradientOptions& gradient, Objective& shared,
    const MakeWorker& make_worker, const OpenedData& data, const RunContext& context) {
  if (workers < 1) return WrongFlag(absl::StrCat("--workers=", workers, " must be at least 1"));
  if (context.collective.world_size() > 1)
    return WrongFlag("asynchronous workers are threads of one process: start one rank, or learn synchronously");
  if (gradient.inner_updates != 1)
    return WrongFlag(
        absl::StrCat("--inner_updates=", gradient.inner_updates, ": asynchronous workers make one a batch"));
  if (gradient.capture) return WrongFlag("--capture: the steps of asynchronous workers are not recorded");
  if (workers > 1 && autograd::Stream::Current().device().type != autograd::DeviceType::kCpu)
    return WrongFlag(absl::StrCat(
        "--workers=", workers, " needs --device=cpu: workers share one queue on a GPU, where they would take turns"));
  std::unique_ptr<AsynchronousLearner> learner(new AsynchronousLearner(training, gradient, shared, data, context));
  for (int i = 0; i < workers; ++i) learner->workers_.push_back(make_worker());
  return learner;
}

AsynchronousLearner::AsynchronousLearner(const TrainingOptions& training, const GradientOptions& gradient,
                                         Objective& shared, const OpenedData& data, const RunContext& context)
    : training_(training),
      gradient_(gradient),
      shared_(shared),
      data_(data),
      context_(context),
      key_(context.key.Split("training")),
      schedule_(RateSchedule(gradient, training.steps)),
      optimizer_(MakeOptimizer(gradient, shared.module())) {
  if (gradient.average_decay > 0) average_.emplace(shared.module(), gradient.average_decay);
}

void AsynchronousLearner::Fields(nn::FieldVisitor& visitor) {
  nn::ModuleReference model = shared_.module();
  visitor.Field("model", model);
  visitor.Field("optimizer", *optimizer_);
  if (average_.has_value()) visitor.Field("average", *average_);
  visitor.Field("objective", shared_);
}

absl::Status AsynchronousLearner::Start(int64_t first) {
  stopping_ = false;
  status_ = absl::OkStatus();
  if (loader_ != nullptr && next_ticket_ == first && step_ == first) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<data::Loader>> loader =
      data::Loader::Create(data_.training.get(), data_.augmentation,
                           TrainingLoading(training_, data_, context_.collective, key_.Split("data"), first));
  if (!loader.ok()) return loader.status();
  loader_ = *std::move(loader);
  next_ticket_ = step_ = first;
  return absl::OkStatus();
}

void AsynchronousLearner::Fail(const absl::Status& status) {
  {
    const std::lock_guard<std::mutex> lock(parameters_);
    if (status_.ok()) status_ = status;
  }
  const std::lock_guard<std::mutex> lock(tickets_);
  stopping_ = true;
}

std::optional<AsynchronousLearner::Ticket> AsynchronousLearner::Take(int64_t last) {
  absl::StatusOr<data::Batch> batch = data::Batch();
  {
    const std::lock_guard<std::mutex> lock(tickets_);
    if (stopping_ || next_ticket_ >= last) return std::nullopt;
    batch = loader_->Next();
    if (batch.ok()) return Ticket{next_ticket_++, *std::move(batch)};
  }
  Fail(batch.status());
  return std::nullopt;
}

absl::Status AsynchronousLearner::Step(Objective& worker, const Ticket& ticket, const StepSink& done) {
  const data::Batch& batch = ticket.batch;
  const Array images = Array::From<float>({batch.size, batch.height, batch.width, 3}, batch.images);
  const Array labels = Array::From<uint8_t>({batch.size, batch.height, batch.width}, batch.labels);
  const autograd::RandomKey key = key_.Split("step").Split(ticket.number);
  const nn::ModuleReference own = worker.module(), shared = shared_.module();
  int64_t copied_at = 0;
  {
    const std::lock_guard<std::mutex> lock(parameters_);
    nn::CopyState(shared, own);
    copied_at = step_;
  }
  autograd::Tape tape;
  const absl::StatusOr<StepResult> outcome =
      worker.Loss(StepView{ticket.number, training_.steps, 0, batch, images, labels,
                           nn::Context::Training(key.Split("network")), key.Split("objective"), context_.collective});
  if (!outcome.ok()) return outcome.status();
  tape.Backward(outcome->loss);

  const std::lock_guard<std::mutex> lock(parameters_);
  if (!status_.ok()) return absl::OkStatus();  // another worker has failed: this gradient is left out
  nn::MoveGradients(own, shared);
  const Array norm = gradient_.clip_norm > 0 ? nn::ClipGradientNorm(optimizer_->parameters(), gradient_.clip_norm)
                                             : nn::GradientNorm(optimizer_->parameters());
  const Array sound = nn::AllFinite({outcome->loss.array(), norm});
  StepNumbers numbers;
  numbers.learning_rate = schedule_(step_);
  optimizer_->SetLearningRate(numbers.learning_rate);
  optimizer_->Update(sound);
  optimizer_->ClearGradients();
  numbers.loss = outcome->loss.Item();
  numbers.gradient_norm = norm.Item();
  if (sound.Item() == 0)
    return absl::AbortedError(
        absl::StrFormat("%s: the %s is not finite at step %d. Try a lower --learning_rate or a smaller --clip_norm",
                        context_.label, std::isfinite(numbers.loss) ? "gradient" : "loss", step_ + 1));
  // Running statistics are those of the worker that was here last, as a rank's would be.
  const std::vector<nn::NamedBuffer> from = nn::NamedBuffers(own), to = nn::NamedBuffers(shared);
  for (size_t i = 0; i < to.size(); ++i) to[i].array->CopyFrom(*from[i].array);
  shared_.Updated(sound);
  if (average_.has_value()) average_->Update(sound);
  if (outcome->report != nullptr) numbers.values = outcome->report();

  const int64_t staleness = step_ - copied_at;
  if (workers_.size() > 1) numbers.values.push_back({"staleness", static_cast<double>(staleness)});
  ++steps_seen_;
  staleness_sum_ += staleness;
  largest_staleness_ = std::max(largest_staleness_, staleness);
  ++step_;
  const absl::StatusOr<bool> go_on = done(step_, numbers);
  if (!go_on.ok()) return go_on.status();
  if (!*go_on) {
    const std::lock_guard<std::mutex> tickets(tickets_);
    stopping_ = true;
  }
  return absl::OkStatus();
}

void AsynchronousLearner::Work(Objective& worker, int64_t last, const StepSink& done) {
  while (const std::optional<Ticket> ticket = Take(last)) {
    if (const absl::Status status = Step(worker, *ticket, done); !status.ok()) return Fail(status);
  }
}

absl::StatusOr<int64_t> AsynchronousLearner::Run(int64_t first, int64_t last, const StepSink& done) {
  if (absl::Status status = Start(first); !status.ok()) return status;
  if (workers_.size() == 1) {
    Work(*workers_[0], last, done);
  } else {
    std::vector<std::thread> threads;
    std::mutex failure_mutex;
    std::exception_ptr failure;
    for (const std::unique_ptr<Objective>& worker : workers_) {
      threads.emplace_back([&, objective = worker.get()] {
        try {
          const autograd::StreamScope on_the_cpu(autograd::Stream::Cpu());
          const autograd::SerialScope alone;
          Work(*objective, last, done);
        } catch (...) {
          {
            const std::lock_guard<std::mutex> lock(failure_mutex);
            if (!failure) failure = std::current_exception();
          }
          Fail(absl::InternalError("a worker threw"));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
  }
  if (!status_.ok()) return status_;
  // Tickets that were taken are used: a stop loses none, so the batches go on behind the last of them.
  return step_;
}

double AsynchronousLearner::mean_staleness() const {
  return steps_seen_ == 0 ? 0 : static_cast<double>(staleness_sum_) / static_cast<double>(steps_seen_);
}

std::string AsynchronousLearner::Summary() const {
  if (workers_.size() == 1) return "";
  return absl::StrFormat("%d workers; gradients were %.2f updates old on average, %d at most", workers_.size(),
                         mean_staleness(), largest_staleness_);
}

}  // namespace experiments
