#pragma once

// Asynchronous actor-learners (V. Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016,
// algorithm S3) for any objective.
//
// Each worker is a thread with an objective on a twin of the network. It takes a ticket, copies the shared parameters θ
// into its twin's θ′, computes the loss of its batch and the gradient at θ′, and gives that to the one optimizer, which
// moves θ. Ticket i is batch i with the keys of step i, whoever takes it. What stays asynchronous is what matters:
// gradients belong to parameters that other workers have moved since. The copy and the update are each made under a
// lock, as a literal Hogwild is a data race, which C++ gives no meaning.
//
// One worker is, bit for bit, GradientLearner. Several are not repeatable: the order of their updates is the
// scheduler's.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/loaders/loader.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/learner.h"
#include "experiments/runner/network.h"
#include "experiments/runner/objective.h"
#include "experiments/runner/run.h"
#include "experiments/runner/training_options.h"
#include "nn/optimizers/optimizer.h"
#include "nn/schedules/schedule.h"

namespace experiments {

class AsynchronousLearner : public Learner {
 public:
  // An objective on a twin of the shared one's network, which it owns (Network::Twin).
  using MakeWorker = std::function<std::unique_ptr<Objective>()>;

  // `shared` is the objective whose module() is trained, saved and evaluated; its Loss is used by nobody, Updated and
  // Fields are. What is given must outlive the learner. WrongFlag where there are several ranks, several updates a
  // batch, a recorded step, or, with more than one worker, a device that is not the CPU: each worker's operations run
  // on its own thread there.
  static absl::StatusOr<std::unique_ptr<AsynchronousLearner>> Create(int workers, const TrainingOptions& training,
                                                                     const GradientOptions& gradient, Objective& shared,
                                                                     const MakeWorker& make_worker,
                                                                     const OpenedData& data, const RunContext& context);

  // `done` is called under a lock, with ascending step counts. A worker's error ends the others after their present
  // ticket.
  absl::StatusOr<int64_t> Run(int64_t first, int64_t last, const StepSink& done) override;
  void Fields(nn::FieldVisitor& visitor) override;
  nn::MovingAverage* average() override { return average_.has_value() ? &*average_ : nullptr; }
  // How stale gradients were: updates of other workers between a copy of the parameters and the use of its gradient.
  std::string Summary() const override;

  // Of the steps so far: the mean, and the largest.
  double mean_staleness() const;
  int64_t largest_staleness() const { return largest_staleness_; }

 private:
  struct Ticket {
    int64_t number;
    data::Batch batch;
  };
  AsynchronousLearner(const TrainingOptions& training, const GradientOptions& gradient, Objective& shared,
                      const OpenedData& data, const RunContext& context);

  absl::Status Start(int64_t first);
  // Nothing when there are no more, or when the learner stops.
  std::optional<Ticket> Take(int64_t last);
  void Work(Objective& worker, int64_t last, const StepSink& done);
  absl::Status Step(Objective& worker, const Ticket& ticket, const StepSink& done);
  void Fail(const absl::Status& status);

  const TrainingOptions& training_;
  const GradientOptions& gradient_;
  Objective& shared_;
  const OpenedData& data_;
  const RunContext& context_;
  const autograd::RandomKey key_;
  const nn::Schedule schedule_;
  std::vector<std::unique_ptr<Objective>> workers_;

  // Guards the loader and the tickets.
  std::mutex tickets_;
  std::unique_ptr<data::Loader> loader_;
  int64_t next_ticket_ = 0;
  bool stopping_ = false;

  // Guards the shared parameters and all that follows.
  std::mutex parameters_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  std::optional<nn::MovingAverage> average_;
  int64_t step_ = 0;  // updates made
  int64_t steps_seen_ = 0, staleness_sum_ = 0, largest_staleness_ = 0;
  absl::Status status_;
};

// The objective that `make` puts on a twin of `network`, and the twin with it.
std::unique_ptr<Objective> OnTwin(const Network& network,
                                  const std::function<std::unique_ptr<Objective>(Network& twin)>& make);

}  // namespace experiments
