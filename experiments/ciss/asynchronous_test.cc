// Actor-learners of a CiSS-Net: several on shared parameters, which the thread sanitizer watches, and one beside the
// synchronous learner.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "data/scenes/scene_dataset.h"
#include "experiments/ciss/objective.h"
#include "experiments/ciss/whole_image.h"
#include "experiments/runner/asynchronous_learner.h"
#include "experiments/runner/gradient_learner.h"
#include "nn/nn.h"
#include "seg/seg.h"

namespace experiments::ciss {
namespace {

constexpr int kSide = 32, kClasses = 6;
constexpr int64_t kSteps = 8;

// With dropout, whose draws are the workers' own.
std::unique_ptr<Network> SmallNetwork() {
  seg::CissNetConfig config = seg::ConfigureCissNet("micro", kClasses).value();
  config.base_width = config.trunk_width = config.label_width = config.label_branch_width = 16;
  return std::make_unique<NetworkOf<seg::CissNet>>(seg::CissNet(config, autograd::RandomKey(5)), "small");
}

OpenedData SmallScenes() {
  data::SceneOptions options;
  options.class_count = kClasses;
  options.training_size = 12;
  options.validation_size = 4;
  options.height = options.width = kSide;
  OpenedData data;
  data.training = *data::SceneDataset::Create("train", options);
  data.validation = *data::SceneDataset::Create("val", options);
  data.crop_height = data.crop_width = kSide;
  return data;
}

struct Course {
  std::vector<std::pair<std::string, double>> log;  // of every step, by column
  std::vector<std::vector<float>> parameters;
  bool operator==(const Course&) const = default;
};

class Problem {
 public:
  Problem() : data_(SmallScenes()), context_(alone_, Interrupt()) {
    options_.rollout = 2;
    options_.group_size = 2;
    options_.random_first = 0.25;
    options_.training.steps = kSteps;
    options_.training.batch_size = 2;
    options_.gradient.warm_up_steps = 2;
    options_.gradient.average_decay = 0.9;
    context_.label = "toy";
    context_.key = autograd::RandomKey(3);
  }

  // 0 workers: the synchronous learner.
  Course Learn(int workers) {
    const std::unique_ptr<Network> network = SmallNetwork();
    CissObjective objective(options_, *network);
    std::unique_ptr<Learner> learner;
    if (workers == 0) {
      learner = *GradientLearner::Create(options_.training, options_.gradient, objective, data_, context_);
    } else {
      const auto worker = [&] {
        return OnTwin(*network, [&](Network& twin) { return std::make_unique<CissObjective>(options_, twin); });
      };
      learner = *AsynchronousLearner::Create(workers, options_.training, options_.gradient, objective, worker, data_,
                                             context_);
    }
    Course course;
    int64_t seen = 0;
    const auto done = [&](int64_t step, const StepNumbers& numbers) -> absl::StatusOr<bool> {
      EXPECT_EQ(step, ++seen);
      course.log.emplace_back("loss", numbers.loss);
      // Columns that the random steps at first have no value of are NaN there.
      for (const auto& [name, value] : numbers.values)
        if (!std::isnan(value)) course.log.emplace_back(name, value);
      return true;
    };
    const absl::StatusOr<int64_t> reached = learner->Run(0, kSteps, done);
    EXPECT_TRUE(reached.ok() && *reached == kSteps) << reached.status();
    for (const nn::NamedParameter& named : nn::NamedParameters(network->module()))
      course.parameters.push_back(named.parameter->value().ToVector<float>());
    return course;
  }

 private:
  static const InterruptHandler& Interrupt() {
    static const auto* interrupt = new InterruptHandler();
    return *interrupt;
  }

  CissOptions options_;
  const OpenedData data_;
  autograd::OneRank alone_;
  RunContext context_;
};

TEST(AsynchronousCiss, OneWorkerIsTheSynchronousLearner) {
  Problem problem;
  EXPECT_EQ(problem.Learn(1), problem.Learn(0));
}

// All that learns has moved, and nothing else; the numbers of every step are there.
TEST(AsynchronousCiss, SeveralWorkersMoveTheSharedNetwork) {
  Problem problem;
  const Course course = problem.Learn(3);
  const std::unique_ptr<Network> untrained = SmallNetwork();
  const std::vector<nn::NamedParameter> before = nn::NamedParameters(untrained->module());
  ASSERT_EQ(before.size(), course.parameters.size());
  for (size_t i = 0; i < before.size(); ++i) {
    const bool moved = before[i].parameter->value().ToVector<float>() != course.parameters[i];
    EXPECT_EQ(moved, !before[i].name.starts_with("backbone.")) << before[i].name;
    for (const float value : course.parameters[i]) ASSERT_TRUE(std::isfinite(value)) << before[i].name;
  }
  for (const char* column : {"loss", "reward", "adopted", "precision", "staleness"}) {
    int64_t steps = 0;
    for (const auto& [name, value] : course.log) {
      if (name != column) continue;
      EXPECT_TRUE(std::isfinite(value)) << column;
      ++steps;
    }
    EXPECT_EQ(steps, kSteps) << column;
  }
}

}  // namespace
}  // namespace experiments::ciss
