// Asynchronous workers on problems whose best policy is known, and beside the synchronous learner.

#include "experiments/runner/asynchronous_learner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "data/scenes/scene_dataset.h"
#include "experiments/runner/gradient_learner.h"
#include "nn/nn.h"
#include "rl/rl.h"
#include "seg/seg.h"

namespace experiments {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

OpenedData SmallScenes() {
  data::SceneOptions options;
  options.training_size = 12;
  options.validation_size = 4;
  options.height = options.width = 32;
  OpenedData data;
  data.training = *data::SceneDataset::Create("train", options);
  data.validation = *data::SceneDataset::Create("val", options);
  data.crop_height = data.crop_width = 32;
  return data;
}

const InterruptHandler& Interrupt() {
  static const auto* interrupt = new InterruptHandler();
  return *interrupt;
}

RunContext Context(autograd::Collective& collective) {
  RunContext context(collective, Interrupt());
  context.label = "toy";
  context.key = RandomKey(3);
  return context;
}

// A policy and a critic as tables: logits [states, actions] and values [states, 1].
struct ActorCritic {
  ActorCritic(int states, int actions)
      : logits(Array::Zeros({states, actions}, autograd::kFloat32)),
        values(Array::Zeros({states, 1}, autograd::kFloat32)) {}
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("logits", logits);
    visitor.Field("values", values);
  }
  // π(action | state).
  double Probability(int state, int action) const {
    const int64_t actions = logits.shape()[1];
    const std::vector<float> all = logits.value().ToVector<float>();
    double sum = 0;
    for (int64_t a = 0; a < actions; ++a) sum += std::exp(all[state * actions + a]);
    return std::exp(all[state * actions + action]) / sum;
  }
  autograd::Parameter logits, values;
};

Array Indices(const std::vector<int64_t>& states) {
  return Array::From<int64_t>({static_cast<int64_t>(states.size())}, states);
}

// Two states. Staying in state 0 pays 0.1 and in state 1 it pays 1; moving pays nothing. With a discount of 0.9 moving
// from 0 to 1 and staying there is worth 9 and 10, staying in 0 is worth 1: the best policy gives up what is near. With
// a discount of 0 it is to stay everywhere.
class TwoStates : public Objective {
 public:
  static constexpr int kStay = 0, kMove = 1;
  explicit TwoStates(double discount) : discount_(discount) {}
  nn::ModuleReference module() override { return nn::ModuleReference(model_); }

  // A3C (Mnih et al. 2016, algorithm S3) with kLength steps of kActors actors that start in random states.
  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    constexpr int kActors = 8, kLength = 4;
    std::vector<int64_t> states(kActors);
    for (int i = 0; i < kActors; ++i) states[i] = static_cast<int64_t>((view.step + i) % 2);
    std::vector<Variable> log_probabilities, entropies, values;
    std::vector<float> rewards;
    for (int t = 0; t < kLength; ++t) {
      const rl::Categorical policy(autograd::Gather(Variable(model_.logits), Indices(states)));
      const Array actions = policy.Sample(view.key.Split(t), 1);
      log_probabilities.push_back(policy.LogProbability(actions));
      entropies.push_back(policy.Entropy());
      values.push_back(autograd::Gather(Variable(model_.values), Indices(states)));
      const std::vector<uint8_t> chosen = actions.ToVector<uint8_t>();
      for (int i = 0; i < kActors; ++i) {
        const bool stays = chosen[i] == kStay;
        rewards.push_back(!stays ? 0.0f : states[i] == 1 ? 1.0f : 0.1f);
        if (!stays) states[i] = 1 - states[i];
      }
    }
    const Variable value = autograd::Reshape(autograd::Stack(values, 0), {kLength, kActors});
    const Array bootstrap = autograd::Gather(Variable(model_.values), Indices(states)).array().Reshape({kActors});
    const Array returns = rl::NStepReturns(Array::From<float>({kLength, kActors}, rewards), bootstrap, discount_);
    const Array advantage = autograd::Subtract(Variable(returns), Variable(value.array())).array();
    const Variable policy_loss =
        rl::PolicyGradient(autograd::Reshape(autograd::Stack(log_probabilities, 0), {kLength, kActors}), advantage,
                           autograd::Reshape(autograd::Stack(entropies, 0), {kLength, kActors}), 0.01);
    return StepResult{autograd::Mean(policy_loss) + autograd::Mean(rl::ValueLoss(value, returns)), nullptr};
  }

  ActorCritic& model() { return model_; }

 private:
  const double discount_;
  ActorCritic model_{2, 2};
};

// In context c arm (c + 1) mod 3 pays 1 with probability 0.8, the others with probability 0.2.
class Bandit : public Objective {
 public:
  static constexpr int kContexts = 3, kArms = 3;
  nn::ModuleReference module() override { return nn::ModuleReference(model_); }

  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    constexpr int kPulls = 12;
    std::vector<int64_t> contexts(kPulls);
    for (int i = 0; i < kPulls; ++i) contexts[i] = i % kContexts;
    const rl::Categorical policy(autograd::Gather(Variable(model_.logits), Indices(contexts)));
    const Array actions = policy.Sample(view.key.Split("arms"), 1);
    const std::vector<uint8_t> arms = actions.ToVector<uint8_t>();
    std::vector<float> advantages;
    for (int i = 0; i < kPulls; ++i) {
      const double chance = arms[i] == (contexts[i] + 1) % kArms ? 0.8 : 0.2;
      const bool pays =
          autograd::UniformFloat(autograd::Philox(view.key.Split("pay"), static_cast<uint64_t>(i)).x) < chance;
      advantages.push_back((pays ? 1.0f : 0.0f) - 0.5f);
    }
    return StepResult{
        autograd::Mean(rl::PolicyGradient(policy.LogProbability(actions), Array::From<float>({1, kPulls}, advantages))),
        nullptr};
  }

  ActorCritic& model() { return model_; }

 private:
  ActorCritic model_{kContexts, kArms};
};

template <typename Toy, typename... Arguments>
std::unique_ptr<Toy> Learn(int workers, int64_t steps, OptimizerKind optimizer, double rate, Arguments... arguments) {
  autograd::OneRank alone;
  const RunContext context = Context(alone);
  const OpenedData data = SmallScenes();
  TrainingOptions training;
  training.steps = steps;
  training.batch_size = 1;
  GradientOptions gradient;
  gradient.optimizer = optimizer;
  gradient.learning_rate = rate;
  gradient.warm_up_steps = 0;
  gradient.power = 0;  // a constant rate
  gradient.weight_decay = 0;
  auto shared = std::make_unique<Toy>(arguments...);
  const absl::StatusOr<std::unique_ptr<AsynchronousLearner>> learner = AsynchronousLearner::Create(
      workers, training, gradient, *shared, [&] { return std::make_unique<Toy>(arguments...); }, data, context);
  EXPECT_TRUE(learner.ok()) << learner.status();
  int64_t seen = 0;
  const absl::StatusOr<int64_t> reached =
      (*learner)->Run(0, steps, [&](int64_t step, const StepNumbers&) -> absl::StatusOr<bool> {
        EXPECT_EQ(step, ++seen);
        return true;
      });
  EXPECT_TRUE(reached.ok() && *reached == steps) << reached.status();
  EXPECT_LT((*learner)->largest_staleness(), steps);
  if (workers == 1) {
    EXPECT_EQ((*learner)->largest_staleness(), 0);
  }
  return shared;
}

// The best policy is reached however many workers there are. A uniform policy has probability 0.5 and the myopic one,
// the control, about 0.
TEST(AsynchronousLearnerTest, GivesUpWhatIsNearForWhatIsBetter) {
  for (const int workers : {1, 2, 4}) {
    const auto far = Learn<TwoStates>(workers, 1500, OptimizerKind::kRmsProp, 0.05, 0.9);
    EXPECT_GT(far->model().Probability(0, TwoStates::kMove), 0.8) << workers;
    EXPECT_GT(far->model().Probability(1, TwoStates::kStay), 0.8) << workers;
    const auto near = Learn<TwoStates>(workers, 1500, OptimizerKind::kRmsProp, 0.05, 0.0);
    EXPECT_LT(near->model().Probability(0, TwoStates::kMove), 0.2) << workers;
  }
}

TEST(AsynchronousLearnerTest, FindsTheBestArmOfEachContext) {
  for (const int workers : {1, 2, 4}) {
    const auto bandit = Learn<Bandit>(workers, 600, OptimizerKind::kAdamW, 0.02);
    for (int context = 0; context < Bandit::kContexts; ++context)
      EXPECT_GT(bandit->model().Probability(context, (context + 1) % Bandit::kArms), 0.8) << workers << " " << context;
  }
}

// A network with running statistics, on labels.
class Labels : public Objective {
 public:
  Labels() : network_(*seg::ConfigureFcn("micro", 6), RandomKey(5)) {}
  nn::ModuleReference module() override { return nn::ModuleReference(network_); }
  absl::StatusOr<StepResult> Loss(const StepView& view) override {
    {
      const std::lock_guard<std::mutex> lock(*mutex);
      tickets->push_back({view.step, view.batch.number});
    }
    if (view.step == fails_at) return absl::DataLossError("no more");
    const Variable loss = seg::SegmentationLoss(network_(Variable(view.images), view.context), view.labels);
    return StepResult{loss, nullptr};
  }

  std::shared_ptr<std::mutex> mutex = std::make_shared<std::mutex>();
  std::shared_ptr<std::vector<std::pair<int64_t, int64_t>>> tickets =
      std::make_shared<std::vector<std::pair<int64_t, int64_t>>>();
  int64_t fails_at = -1;

 private:
  seg::Fcn network_;
};

struct State {
  std::vector<std::vector<float>> values;
  std::vector<double> losses, norms;
  bool operator==(const State&) const = default;
};

State StateOf(Learner& learner, const std::vector<int64_t>& pauses) {
  State state;
  int64_t first = 0;
  for (const int64_t last : pauses) {
    const absl::StatusOr<int64_t> reached =
        learner.Run(first, last, [&](int64_t, const StepNumbers& numbers) -> absl::StatusOr<bool> {
          state.losses.push_back(numbers.loss);
          state.norms.push_back(numbers.gradient_norm);
          return true;
        });
    EXPECT_TRUE(reached.ok() && *reached == last) << reached.status();
    first = last;
  }
  for (const nn::NamedParameter& named : nn::NamedParameters(learner))
    state.values.push_back(named.parameter->value().ToVector<float>());
  for (const nn::NamedBuffer& named : nn::NamedBuffers(learner)) {
    if (named.array->dtype() == autograd::kFloat32) state.values.push_back(named.array->ToVector<float>());
  }
  return state;
}

// Parameters, running statistics, momenta and moving averages after six steps, and what every step came to.
TEST(AsynchronousLearnerTest, OneWorkerIsTheSynchronousLearner) {
  autograd::OneRank alone;
  const RunContext context = Context(alone);
  const OpenedData data = SmallScenes();
  TrainingOptions training;
  training.steps = 6;
  training.batch_size = 2;
  GradientOptions gradient;
  gradient.warm_up_steps = 2;
  gradient.average_decay = 0.9;
  for (const OptimizerKind optimizer : {OptimizerKind::kAdamW, OptimizerKind::kSgd, OptimizerKind::kRmsProp}) {
    gradient.optimizer = optimizer;
    Labels synchronous, shared;
    const auto learner = *GradientLearner::Create(training, gradient, synchronous, data, context);
    const auto workers = *AsynchronousLearner::Create(
        1, training, gradient, shared, [] { return std::make_unique<Labels>(); }, data, context);
    EXPECT_EQ(StateOf(*workers, {2, 6}), StateOf(*learner, {6}));
  }
}

TEST(AsynchronousLearnerTest, EveryTicketIsTakenOnce) {
  autograd::OneRank alone;
  const RunContext context = Context(alone);
  const OpenedData data = SmallScenes();
  TrainingOptions training;
  training.steps = 20;
  training.batch_size = 2;
  const GradientOptions gradient;
  Labels shared;
  const auto worker = [&] {
    auto labels = std::make_unique<Labels>();
    labels->mutex = shared.mutex;
    labels->tickets = shared.tickets;
    return labels;
  };
  const auto learner = *AsynchronousLearner::Create(4, training, gradient, shared, worker, data, context);
  int stops = 0;
  // Asked to stop at step 5: tickets in work are finished, none is lost.
  const int64_t reached = *learner->Run(0, 12, [&](int64_t step, const StepNumbers&) -> absl::StatusOr<bool> {
    stops += step >= 5 ? 1 : 0;
    return step < 5;
  });
  EXPECT_GE(reached, 5);
  EXPECT_LE(reached, 5 + 3);
  EXPECT_EQ(stops, reached - 4);
  EXPECT_EQ(*learner->Run(reached, 20, [](int64_t, const StepNumbers&) -> absl::StatusOr<bool> { return true; }), 20);
  std::sort(shared.tickets->begin(), shared.tickets->end());
  ASSERT_EQ(shared.tickets->size(), 20u);
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ((*shared.tickets)[i], (std::pair<int64_t, int64_t>(i, i)));
}

TEST(AsynchronousLearnerTest, AWorkersErrorEndsTheOthers) {
  autograd::OneRank alone;
  const RunContext context = Context(alone);
  const OpenedData data = SmallScenes();
  TrainingOptions training;
  training.steps = 1000;
  training.batch_size = 2;
  const GradientOptions gradient;
  Labels shared;
  const auto learner = *AsynchronousLearner::Create(
      3, training, gradient, shared,
      [] {
        auto labels = std::make_unique<Labels>();
        labels->fails_at = 4;
        return labels;
      },
      data, context);
  int64_t last = 0;
  const absl::StatusOr<int64_t> reached =
      learner->Run(0, 1000, [&](int64_t step, const StepNumbers&) -> absl::StatusOr<bool> {
        last = step;
        return true;
      });
  EXPECT_EQ(reached.status(), absl::DataLossError("no more"));
  EXPECT_LT(last, 10);
}

TEST(AsynchronousLearnerTest, WhatCannotBeAsynchronousIsRefused) {
  autograd::OneRank alone;
  const RunContext context = Context(alone);
  const OpenedData data = SmallScenes();
  const TrainingOptions training;
  Labels shared;
  const auto refusal = [&](int workers, const GradientOptions& gradient) {
    const absl::Status status =
        AsynchronousLearner::Create(
            workers, training, gradient, shared, [] { return std::make_unique<Labels>(); }, data, context)
            .status();
    EXPECT_TRUE(IsWrongFlag(status)) << status;
    return std::string(status.message());
  };
  GradientOptions gradient;
  EXPECT_NE(refusal(0, gradient).find("--workers=0"), std::string::npos);
  gradient.inner_updates = 2;
  EXPECT_NE(refusal(2, gradient).find("--inner_updates"), std::string::npos);
  gradient.inner_updates = 1;
  gradient.capture = true;
  EXPECT_NE(refusal(2, gradient).find("--capture"), std::string::npos);
}

}  // namespace
}  // namespace experiments
