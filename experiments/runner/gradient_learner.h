#pragma once

// The synchronous step: a batch, the objective's loss, its gradient averaged over the ranks, clipping, an optimizer
// step, a moving average.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autograd/core/captured_step.h"
#include "data/loaders/loader.h"
#include "experiments/runner/batch_feed.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/gradient_options.h"
#include "experiments/runner/learner.h"
#include "experiments/runner/objective.h"
#include "experiments/runner/run.h"
#include "experiments/runner/state_snapshot.h"
#include "experiments/runner/training_options.h"
#include "nn/optimizers/gradient_average.h"
#include "nn/optimizers/optimizer.h"
#include "nn/schedules/schedule.h"

namespace experiments {

// The batches of a run's training steps, from `start_batch` on.
data::LoaderOptions TrainingLoading(const TrainingOptions& options, const OpenedData& data,
                                    const autograd::Collective& collective, const autograd::RandomKey& key,
                                    int64_t start_batch);

class GradientLearner : public Learner {
 public:
  // What is given must outlive the learner. InvalidArgument where `gradient.capture` meets an objective or ranks that
  // cannot be recorded.
  static absl::StatusOr<std::unique_ptr<GradientLearner>> Create(const TrainingOptions& training,
                                                                 const GradientOptions& gradient, Objective& objective,
                                                                 const OpenedData& data, const RunContext& context);

  // Errors: data (naming the file), and a loss or gradient that is not finite: its step is then as if it had not begun,
  // and the message says which it was.
  absl::StatusOr<int64_t> Run(int64_t first, int64_t last, const StepSink& done) override;
  void Fields(nn::FieldVisitor& visitor) override;
  nn::MovingAverage* average() override { return average_.has_value() ? &*average_ : nullptr; }

 private:
  GradientLearner(const TrainingOptions& training, const GradientOptions& gradient, Objective& objective,
                  const OpenedData& data, const RunContext& context);

  absl::Status Start(int64_t first);
  absl::StatusOr<StepNumbers> Step();
  void Compute(const autograd::RandomKey& key);
  void ComputeOrReplay();
  // Averages what is shown and logged over the ranks, so that a loss that is not finite on one is so on all.
  StepNumbers ReadBack(double learning_rate);

  const TrainingOptions& training_;
  const GradientOptions& gradient_;
  Objective& objective_;
  const OpenedData& data_;
  const RunContext& context_;
  const autograd::RandomKey key_;
  const nn::Schedule schedule_;
  const autograd::ReplicaSum replicas_;

  std::unique_ptr<nn::Optimizer> optimizer_;
  std::optional<nn::MovingAverage> average_;
  nn::GradientAverage gradient_average_;
  std::optional<StateSnapshot> before_;  // this step
  std::unique_ptr<data::Loader> loader_;
  std::optional<BatchFeed> feed_;

  int64_t step_ = 0;  // steps done
  int update_ = 0;    // of this step
  // What Compute leaves behind.
  absl::StatusOr<StepResult> outcome_ = StepResult();
  autograd::Array norm_, sound_;
  std::optional<autograd::CapturedStep> captured_;
  int64_t captured_phase_ = 0;
};

}  // namespace experiments
