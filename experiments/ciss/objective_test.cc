// The objective of a rollout on maps that are small enough to enumerate.

#include "experiments/ciss/objective.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/collective/collective.h"
#include "experiments/ciss/whole_image.h"
#include "nn/nn.h"
#include "seg/seg.h"

namespace experiments::ciss {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Variable;

constexpr int kSide = 16, kCells = 4, kClasses = 3;
constexpr uint8_t kVoid = 255;

// X is 2×2 for images of 16×16.
std::unique_ptr<Network> TinyNetwork() {
  seg::CissNetConfig config = seg::ConfigureCissNet("micro", kClasses).value();
  config.encoder.output_stride = 8;
  config.base_width = config.trunk_width = config.label_width = config.label_branch_width = 16;
  config.dropout = 0;
  return std::make_unique<NetworkOf<seg::CissNet>>(seg::CissNet(config, RandomKey(5)), "tiny");
}

struct Problem {
  explicit Problem(std::vector<uint8_t> grid_labels)
      : network(TinyNetwork()), net(*AsCissNet(*network)), labels(std::move(grid_labels)) {
    batch.size = 1;
    batch.height = batch.width = kSide;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) batch.labels.push_back(labels[y / 8 * 2 + x / 8]);
    }
    std::vector<float> pixels(size_t{3} * kSide * kSide);
    for (size_t i = 0; i < pixels.size(); ++i)
      pixels[i] = 2 * autograd::UniformFloat(autograd::Philox(RandomKey(9), i).x) - 1;
    images = Array::From({1, kSide, kSide, 3}, pixels);
    targets = Array::From({1, kSide, kSide}, batch.labels);
  }

  StepView View(uint64_t key) const {
    return {.step = 0,
            .total_steps = 1,
            .update = 0,
            .batch = batch,
            .images = images,
            .labels = targets,
            .context = nn::Context::Training(RandomKey(1)),
            .key = RandomKey(77).Split(key),
            .collective = collective};
  }

  std::unique_ptr<Network> network;
  seg::CissNet& net;
  std::vector<uint8_t> labels;
  data::Batch batch;
  Array images, targets;
  mutable autograd::OneRank collective;
};

// What the equations of objective.h say, with a sum over all action maps in the place of draws.
class Enumeration {
 public:
  Enumeration(Problem& problem, const CissOptions& options)
      : problem_(problem),
        options_(options),
        domain_(problem.net.Read(problem.net.Encode(Variable(problem.images), {}).back(), {})) {}

  // ∂E[loss]/∂(bias of the policy's logits), [2]: the mean over states and pixels that are not void.
  std::vector<double> PolicyBiasGradient() {
    Walk(PMapOf(domain_.base), 1, {});
    return gradient_;
  }

 private:
  struct Step {
    std::vector<uint8_t> actions;
    std::vector<double> adopt, value, reward;
  };

  static std::vector<uint8_t> PMapOf(const Variable& logits) {
    return autograd::ArgMax(logits.array(), autograd::kUInt8).ToVector<uint8_t>();
  }

  void Walk(const std::vector<uint8_t>& p_map, double probability, const std::vector<Step>& path) {
    const seg::CissNet::Judgement judgement = problem_.net.Judge(domain_, Array::From({1, 2, 2}, p_map), {});
    const std::vector<float> logits = judgement.policy.array().ToVector<float>(),
                             values = judgement.value.array().ToVector<float>();
    if (static_cast<int>(path.size()) == options_.rollout) return Add(path, values, probability);
    Step step;
    for (int i = 0; i < kCells; ++i) {
      step.adopt.push_back(1 / (1 + std::exp(logits[2 * i] - logits[2 * i + 1])));
      step.value.push_back(values[i]);
    }
    for (int map = 0; map < 1 << kCells; ++map) {
      double of_map = probability;
      step.actions.clear();
      std::vector<uint8_t> context;
      for (int i = 0; i < kCells; ++i) {
        step.actions.push_back(map >> i & 1);
        of_map *= step.actions[i] != 0 ? step.adopt[i] : 1 - step.adopt[i];
        context.push_back(step.actions[i] != 0 ? p_map[i] + 1 : 0);
      }
      const std::vector<uint8_t> next = PMapOf(problem_.net.Segment(domain_, Array::From({1, 2, 2}, context), {}));
      step.reward = Rewards(p_map, next, context);
      std::vector<Step> longer = path;
      longer.push_back(step);
      Walk(next, of_map, longer);
    }
  }

  // Equation 4; the window covers the map wherever its centre is.
  std::vector<double> Rewards(const std::vector<uint8_t>& before, const std::vector<uint8_t>& after,
                              const std::vector<uint8_t>& context) const {
    double sum = 0, pixels = 0;
    for (int i = 0; i < kCells; ++i) {
      const uint8_t truth = problem_.labels[i];
      if (truth == kVoid) continue;
      const bool was = before[i] == truth, is = after[i] == truth;
      sum += !was && is ? 1 : was && !is ? -1 : was && is ? 0.5 : 0;
      pixels += 1;
    }
    std::vector<double> rewards;
    for (int i = 0; i < kCells; ++i) {
      rewards.push_back(sum / pixels + (context[i] == problem_.labels[i] + 1 ? options_.right_context : 0) +
                        (context[i] == 0 ? options_.uncertain : 0));
    }
    return rewards;
  }

  void Add(const std::vector<Step>& path, const std::vector<float>& bootstrap, double probability) {
    const double valid = static_cast<double>(
        std::count_if(problem_.labels.begin(), problem_.labels.end(), [](uint8_t label) { return label != kVoid; }));
    for (int i = 0; i < kCells; ++i) {
      if (problem_.labels[i] == kVoid) continue;
      double returns = bootstrap[i];
      for (int t = options_.rollout - 1; t >= 0; --t) {
        const Step& step = path[t];
        returns = step.reward[i] + options_.discount * returns;
        const double advantage = returns - step.value[i];
        // ∂ −log π(a)/∂logit of action 1 is π(1) − a, of action 0 its negative.
        const double slope = probability * advantage * (step.adopt[i] - step.actions[i]) / (valid * options_.rollout);
        gradient_[1] += slope;
        gradient_[0] -= slope;
      }
    }
  }

  Problem& problem_;
  const CissOptions& options_;
  const seg::CissNet::Domain domain_;
  std::vector<double> gradient_ = {0, 0};
};

std::vector<double> DrawnPolicyBiasGradient(Problem& problem, CissObjective& objective, uint64_t key) {
  autograd::Parameter& bias = problem.net.context_net.policy.bias;
  bias.ClearGradient();
  autograd::Tape tape;
  const absl::StatusOr<StepResult> result = objective.Loss(problem.View(key));
  tape.Backward(result->loss);
  const std::vector<float> gradient = bias.gradient().ToVector<float>();
  return {gradient.begin(), gradient.end()};
}

class PolicyGradient : public testing::TestWithParam<int> {};

// The mean over draws is the sum over all 16^T paths, within five standard errors of that mean.
TEST_P(PolicyGradient, IsThatOfAllActionMaps) {
  CissOptions options;
  options.rollout = GetParam();
  options.discount = 0.9;
  options.entropy_weight = 0;
  options.segmentation_weight = 0;
  Problem problem({0, 1, kVoid, 2});
  const std::vector<double> expected = Enumeration(problem, options).PolicyBiasGradient();
  CissObjective objective(options, *problem.network);
  constexpr int kDraws = 5000;
  double sums[2] = {}, squares[2] = {};
  for (uint64_t i = 0; i < kDraws; ++i) {
    const std::vector<double> gradient = DrawnPolicyBiasGradient(problem, objective, i);
    for (int k = 0; k < 2; ++k) {
      sums[k] += gradient[k];
      squares[k] += gradient[k] * gradient[k];
    }
  }
  for (int k = 0; k < 2; ++k) {
    const double mean = sums[k] / kDraws, error = std::sqrt((squares[k] / kDraws - mean * mean) / kDraws);
    EXPECT_GT(error, 0);
    EXPECT_NEAR(mean, expected[k], 5 * error);
    // Draws must tell the expectation from nothing.
    EXPECT_GT(std::abs(expected[k]), 5 * error);
  }
}
INSTANTIATE_TEST_SUITE_P(Rollouts, PolicyGradient, testing::Values(1, 2));

// A void pixel's own action is not learned from.
TEST(CissObjective, IgnoresVoid) {
  CissOptions options;
  options.rollout = 1;
  Problem problem({kVoid, kVoid, kVoid, kVoid});
  CissObjective objective(options, *problem.network);
  EXPECT_EQ(DrawnPolicyBiasGradient(problem, objective, 0), (std::vector<double>{0, 0}));
}

// With a group, advantages of each pixel sum to 0 over it: no gradient when all contexts are the same.
TEST(CissObjective, GroupIsItsOwnBaseline) {
  CissOptions options;
  options.rollout = 1;
  options.entropy_weight = 0;
  options.segmentation_weight = 0;
  options.group_size = 4;
  Problem problem({0, 1, 2, 2});
  // All but certain to adopt everything.
  problem.net.context_net.policy.bias.Set(Array::From<float>({2}, {-40, 40}));
  CissObjective objective(options, *problem.network);
  for (const double gradient : DrawnPolicyBiasGradient(problem, objective, 3)) EXPECT_NEAR(gradient, 0, 1e-9);
}

// Without an agent the loss is λ1 times the mean of the cross-entropies of Base and of each step.
TEST(CissObjective, FixedContextsLeaveTheCrossEntropy) {
  Problem problem({0, 1, kVoid, 2});
  CissOptions options;
  options.segmentation_weight = 2;
  const seg::CissNet::Domain domain = problem.net.Read(problem.net.Encode(Variable(problem.images), {}).back(), {});
  const double base = seg::SegmentationLoss(domain.base, problem.targets).array().Item();
  options.context.choice.rule = seg::ContextRule::kEmpty;
  options.rollout = 0;
  EXPECT_NEAR(CissObjective(options, *problem.network).Loss(problem.View(0))->loss.array().Item(), 2 * base, 1e-5);

  options.rollout = 2;
  const Variable empty = problem.net.Segment(domain, Array::Zeros({1, 2, 2}, autograd::kUInt8), {});
  const double step = seg::SegmentationLoss(empty, problem.targets).array().Item();
  EXPECT_NEAR(CissObjective(options, *problem.network).Loss(problem.View(0))->loss.array().Item(),
              2 * (base + 2 * step) / 3, 1e-5);
}

// The mean loss over keys is the expectation over all label maps that the softmax can draw.
TEST(CissObjective, DrawnLabelsAreThoseOfTheSoftmax) {
  Problem problem({0, 1, kVoid, 2});
  CissOptions options;
  options.context.choice.rule = seg::ContextRule::kFull;
  options.rollout = 1;
  options.drawn_labels = true;
  const seg::CissNet::Domain domain = problem.net.Read(problem.net.Encode(Variable(problem.images), {}).back(), {});
  const double base = seg::SegmentationLoss(domain.base, problem.targets).array().Item();
  const std::vector<float> q = autograd::Softmax(domain.base).array().ToVector<float>();  // [4 positions, 3 classes]
  double expected = 0, square = 0;
  for (int code = 0; code < 81; ++code) {
    std::vector<uint8_t> context;
    double probability = 1;
    for (int i = 0, rest = code; i < 4; ++i, rest /= 3) {
      context.push_back(static_cast<uint8_t>(1 + rest % 3));
      probability *= q[static_cast<size_t>(3 * i + rest % 3)];
    }
    const Variable logits = problem.net.Segment(domain, Array::From<uint8_t>({1, 2, 2}, context), {});
    const double loss = (base + seg::SegmentationLoss(logits, problem.targets).array().Item()) / 2;
    expected += probability * loss;
    square += probability * loss * loss;
  }
  constexpr int kDraws = 1000;
  CissObjective objective(options, *problem.network);
  double mean = 0;
  for (int i = 0; i < kDraws; ++i)
    mean += objective.Loss(problem.View(static_cast<uint64_t>(i)))->loss.array().Item() / kDraws;
  const double deviation = std::sqrt(std::max(square - expected * expected, 0.0) / kDraws);
  ASSERT_GT(deviation, 0);
  EXPECT_NEAR(mean, expected, 5 * deviation + 1e-6);
  options.drawn_labels = false;
  EXPECT_GT(std::abs(CissObjective(options, *problem.network).Loss(problem.View(0))->loss.array().Item() - expected),
            5 * deviation);
}

TEST(CissObjective, LogsItsRollout) {
  Problem problem({0, 1, kVoid, 2});
  CissOptions options;
  CissObjective objective(options, *problem.network);
  const NamedValues numbers = objective.Loss(problem.View(0))->report();
  std::vector<std::string> names;
  for (const auto& [name, value] : numbers) {
    names.push_back(name);
    EXPECT_TRUE(std::isfinite(value)) << name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"reward", "adopted", "precision", "entropy", "explained"}));

  // Columns of the log are those of the first step.
  options.random_first = 1;
  CissObjective random(options, *problem.network);
  EXPECT_EQ(random.Loss(problem.View(0))->report().size(), names.size());
}

}  // namespace
}  // namespace experiments::ciss
