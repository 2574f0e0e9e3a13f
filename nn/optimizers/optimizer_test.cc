#include "nn/optimizers/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "nn/optimizers/adamw.h"
#include "nn/optimizers/moving_average.h"
#include "nn/optimizers/sgd.h"

namespace nn {
namespace {

// A module of one weight (with decay) and one bias (without).
struct Affine {
  Parameter weight, bias;
  Array count = Array::Zeros({1}, autograd::kInt64);
  explicit Affine(int64_t size)
      : weight(Array::Zeros({size, 1}, autograd::kFloat32)), bias(Array::Zeros({size}, autograd::kFloat32)) {}
  void Fields(FieldVisitor& visitor) {
    visitor.Field("weight", weight, Layout::kLinear);
    visitor.Field("bias", bias);
    visitor.Field("count", count);
  }
};

struct Pair {
  Affine first, second;
  void Fields(FieldVisitor& visitor) {
    visitor.Field("first", first);
    visitor.Field("second", second);
  }
};

void SetTo(Array& array, const std::function<double(int64_t)>& value) {
  for (int64_t i = 0; i < array.size(); ++i) array.data<float>()[i] = static_cast<float>(value(i));
}

// The problem of testdata/torch_reference.py.
std::vector<float> RunReferenceProblem(
    const std::function<std::unique_ptr<Optimizer>(std::vector<OptimizedParameter>)>& make, double weight_decay,
    double rate, int steps) {
  Affine module(4);
  SetTo(module.weight.mutable_value(), [](int64_t i) { return std::sin(static_cast<double>(i + 1)); });
  std::unique_ptr<Optimizer> optimizer = make(GroupParameters(module, {.weight_decay = weight_decay}));
  for (int t = 0; t < steps; ++t) {
    SetTo(module.weight.gradient(),
          [t](int64_t i) { return std::cos(0.7 * static_cast<double>(i) + 0.3 * t) * (1 + 0.1 * t); });
    optimizer->Step(rate);
  }
  return module.weight.value().ToVector<float>();
}

struct TorchCase {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(std::vector<OptimizedParameter>)> make;
  double rate, weight_decay;
  std::vector<std::vector<double>> expected;  // after 1, 3 and 25 steps
};

std::function<std::unique_ptr<Optimizer>(std::vector<OptimizedParameter>)> MakeSgd(const SgdOptions& options) {
  return [options](std::vector<OptimizedParameter> parameters) {
    return std::make_unique<Sgd>(std::move(parameters), options);
  };
}
std::function<std::unique_ptr<Optimizer>(std::vector<OptimizedParameter>)> MakeAdamW(const AdamWOptions& options) {
  return [options](std::vector<OptimizedParameter> parameters) {
    return std::make_unique<AdamW>(std::move(parameters), options);
  };
}

class TorchOptimizer : public ::testing::TestWithParam<TorchCase> {};

TEST_P(TorchOptimizer, GivesTheSameValues) {
  const TorchCase& given = GetParam();
  const int steps[] = {1, 3, 25};
  for (int row = 0; row < 3; ++row) {
    const std::vector<float> values = RunReferenceProblem(given.make, given.weight_decay, given.rate, steps[row]);
    for (int i = 0; i < 4; ++i)
      EXPECT_NEAR(values[i], given.expected[row][i], 1e-6) << steps[row] << " steps, element " << i;
  }
}

// Printed by testdata/torch_reference.py.
INSTANTIATE_TEST_SUITE_P(Cases, TorchOptimizer,
                         ::testing::Values(TorchCase{"sgd_plain",
                                                     MakeSgd({.momentum = 0}),
                                                     0.1,
                                                     0.01,
                                                     {{0.740629514, 0.831903911, 0.123982174, -0.705561082},
                                                      {0.535126795, 0.738767255, 0.187830675, -0.514629813},
                                                      {-0.183720745, 0.031795264, -0.165902503, -0.347382384}}},
                                           TorchCase{"sgd_momentum",
                                                     MakeSgd({.momentum = 0.9}),
                                                     0.1,
                                                     0.01,
                                                     {{0.740629514, 0.831903911, 0.123982174, -0.705561082},
                                                      {0.267533758, 0.552255355, 0.171184424, -0.353416132},
                                                      {0.609388150, 0.028890489, -0.908613407, -1.472079670}}},
                                           TorchCase{"sgd_nesterov",
                                                     MakeSgd({.momentum = 0.9, .nesterov = true}),
                                                     0.1,
                                                     0.01,
                                                     {{0.649872190, 0.762249746, 0.108558123, -0.659443811},
                                                      {0.019255833, 0.417909718, 0.214948168, -0.151971785},
                                                      {-0.414572556, -0.816891921, -1.175683797, -1.034404020}}},
                                           TorchCase{"adamw",
                                                     MakeAdamW({}),
                                                     0.02,
                                                     0.05,
                                                     {{0.820629514, 0.888388130, 0.120978889, -0.736045693},
                                                      {0.779004162, 0.848430625, 0.131427094, -0.695218571},
                                                      {0.754046538, 0.874812302, 0.216480269, -0.617289681}}},
                                           TorchCase{"adamw_betas",
                                                     MakeAdamW({.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3}),
                                                     0.02,
                                                     0,
                                                     {{0.821490965, 0.889323542, 0.121236990, -0.736842033},
                                                      {0.781517242, 0.851645308, 0.134459935, -0.697048385},
                                                      {0.771782795, 0.867701523, 0.176875582, -0.670257154}}}),
                         [](const auto& info) { return info.param.name; });

// With a constant gradient the moments cancel: every step is rate·g/(|g| + ε), for any number of steps and any size.
TEST(AdamW, ConstantGradientInClosedForm) {
  const int64_t size = (1 << 15) * 2 + 17;  // more than one chunk, and not a multiple of a vector
  Affine module(size);
  AdamW optimizer(GroupParameters(module), {});
  for (int t = 0; t < 5; ++t) {
    SetTo(module.bias.gradient(), [](int64_t i) { return i % 2 == 0 ? 3.0 : -0.5; });
    optimizer.Step(0.01);
  }
  const std::vector<float> values = module.bias.value().ToVector<float>();
  for (int64_t i = 0; i < size; ++i) ASSERT_NEAR(values[i], i % 2 == 0 ? -0.05 : 0.05, 1e-6) << i;
}

TEST(Optimizer, GroupsByPrefixAndKind) {
  Pair pair{Affine(3), Affine(5)};
  const std::vector<OptimizedParameter> grouped =
      GroupParameters(pair, {.weight_decay = 0.1, .rate_factors = {{"second", 40}, {"second.bias", 0.5}, {"", 2}}});
  ASSERT_EQ(grouped.size(), 4u);
  EXPECT_EQ(grouped[0].name, "first.weight");
  EXPECT_EQ(grouped[0].weight_decay, 0.1);
  EXPECT_EQ(grouped[0].rate_factor, 2);
  EXPECT_EQ(grouped[1].weight_decay, 0);
  EXPECT_EQ(grouped[2].rate_factor, 80);
  EXPECT_EQ(grouped[3].rate_factor, 40);
  EXPECT_EQ(GroupParameters(pair, {.weight_decay = 0.1, .decay_all = true})[1].weight_decay, 0.1);
  // "sec" is not a whole part of any name.
  EXPECT_THROW(GroupParameters(pair, {.rate_factors = {{"sec", 2}}}), autograd::Error);
}

TEST(Optimizer, RateFactorScalesTheStep) {
  Pair pair{Affine(3), Affine(3)};
  Sgd optimizer(GroupParameters(pair, {.rate_factors = {{"second", 40}}}), {.momentum = 0});
  SetTo(pair.first.weight.gradient(), [](int64_t) { return 1; });
  SetTo(pair.second.weight.gradient(), [](int64_t) { return 1; });
  optimizer.Step(0.01);
  EXPECT_FLOAT_EQ(pair.first.weight.value().data<float>()[2], -0.01f);
  EXPECT_FLOAT_EQ(pair.second.weight.value().data<float>()[2], -0.4f);
}

TEST(Optimizer, SkipsFrozenAndUntouchedParameters) {
  Pair pair{Affine(3), Affine(3)};
  AdamW optimizer(GroupParameters(pair, {.weight_decay = 0.5, .decay_all = true}));
  SetTo(pair.first.weight.mutable_value(), [](int64_t) { return 1; });
  SetTo(pair.second.weight.mutable_value(), [](int64_t) { return 1; });
  SetTo(pair.second.weight.gradient(), [](int64_t) { return 1; });
  pair.second.weight.set_trainable(false);
  const uint64_t version = pair.first.weight.version();
  optimizer.Step(0.1);
  EXPECT_EQ(pair.first.weight.value().data<float>()[0], 1);  // no backward pass has reached it
  EXPECT_EQ(pair.second.weight.value().data<float>()[0], 1);
  EXPECT_EQ(pair.first.weight.version(), version);
}

// What a step's loss leaves out has the gradient zero in that step, if it ever had one: moments and decay go on.
TEST(Optimizer, AParameterThatTheLossLeavesOutStillMoves) {
  std::vector<float> values[2];
  for (const bool explicitly : {false, true}) {
    Affine module(3);
    SetTo(module.weight.mutable_value(), [](int64_t i) { return 1 + i; });
    AdamW optimizer(GroupParameters(module, {.weight_decay = 0.5, .decay_all = true}));
    SetTo(module.weight.gradient(), [](int64_t i) { return 2 - i; });
    optimizer.Step(0.1);
    optimizer.ClearGradients();
    if (explicitly) SetTo(module.weight.gradient(), [](int64_t) { return 0; });
    optimizer.Step(0.1);
    values[explicitly] = module.weight.value().ToVector<float>();
  }
  EXPECT_EQ(values[0], values[1]);
  EXPECT_NE(values[0][0], 1);
}

TEST(Optimizer, StepMarksParametersChanged) {
  Affine module(2);
  Sgd optimizer(GroupParameters(module));
  module.weight.gradient();
  const uint64_t version = module.weight.version();
  optimizer.Step(0.1);
  EXPECT_GT(module.weight.version(), version);
}

TEST(Optimizer, ClipsToTheGlobalNorm) {
  Pair pair{Affine(100000), Affine(3)};
  SetTo(pair.first.weight.gradient(), [](int64_t i) { return i < 90000 ? 0.01 : 0; });  // norm 3
  SetTo(pair.second.bias.gradient(), [](int64_t i) { return i == 1 ? 4 : 0; });
  const std::vector<OptimizedParameter> parameters = GroupParameters(pair);
  EXPECT_NEAR(GradientNorm(parameters).Item(), 5, 1e-6);
  EXPECT_NEAR(ClipGradientNorm(parameters, 10).Item(), 5, 1e-6);
  EXPECT_EQ(pair.second.bias.gradient().data<float>()[1], 4);
  EXPECT_NEAR(ClipGradientNorm(parameters, 1).Item(), 5, 1e-6);
  EXPECT_NEAR(GradientNorm(parameters).Item(), 1, 1e-6);
  EXPECT_NEAR(pair.second.bias.gradient().data<float>()[1], 0.8, 1e-6);
  pair.second.bias.gradient().data<float>()[0] = NAN;
  EXPECT_TRUE(std::isnan(ClipGradientNorm(parameters, 1).Item()));
  EXPECT_NEAR(pair.second.bias.gradient().data<float>()[1], 0.8, 1e-6);
}

// What a step changes: values, momenta, the step count and averages.
std::vector<std::vector<float>> Everything(Affine& module, Optimizer& optimizer, MovingAverage& average) {
  std::vector<std::vector<float>> values{module.weight.value().ToVector<float>(),
                                         module.bias.value().ToVector<float>()};
  for (const ModuleReference& state : {ModuleReference(optimizer), ModuleReference(average)}) {
    for (const NamedBuffer& named : NamedBuffers(state)) {
      if (named.array->dtype() == autograd::kFloat32) {
        values.push_back(named.array->ToVector<float>());
      } else {
        values.push_back({static_cast<float>(named.array->Item())});
      }
    }
  }
  return values;
}

TEST(Optimizer, AStepThatIsNotSoundChangesNothing) {
  for (const bool adamw : {true, false}) {
    Affine module(3);
    std::unique_ptr<Optimizer> optimizer;
    if (adamw) {
      optimizer = std::make_unique<AdamW>(GroupParameters(module, {.weight_decay = 0.1}));
    } else {
      optimizer = std::make_unique<Sgd>(GroupParameters(module, {.weight_decay = 0.1}));
    }
    MovingAverage average(module, 0.9);
    SetTo(module.weight.mutable_value(), [](int64_t i) { return static_cast<double>(i + 1); });
    SetTo(module.weight.gradient(), [](int64_t) { return 1; });
    SetTo(module.bias.gradient(), [](int64_t) { return 2; });
    const Array loss = Array::Full({}, autograd::kFloat32, 1), infinite = Array::Full({}, autograd::kFloat32, INFINITY);

    Array sound = AllFinite({loss, GradientNorm(optimizer->parameters())});
    EXPECT_EQ(sound.Item(), 1);
    optimizer->Step(0.1, sound);
    average.Update(sound);
    const std::vector<std::vector<float>> before = Everything(module, *optimizer, average);

    EXPECT_EQ(AllFinite({infinite, loss}).Item(), 0);
    module.bias.gradient().data<float>()[1] = NAN;
    sound = AllFinite({loss, ClipGradientNorm(optimizer->parameters(), 1)});
    EXPECT_EQ(sound.Item(), 0);
    optimizer->Step(0.1, sound);
    average.Update(sound);
    EXPECT_EQ(Everything(module, *optimizer, average), before);

    SetTo(module.bias.gradient(), [](int64_t) { return 2; });
    optimizer->Step(0.1, AllFinite({loss, GradientNorm(optimizer->parameters())}));
    EXPECT_NE(Everything(module, *optimizer, average), before);
  }
}

TEST(Optimizer, ResultsDoNotDependOnTheThreadCount) {
  const int threads = autograd::ThreadCount();
  std::vector<std::vector<float>> values;
  std::vector<double> norms;
  for (int count : {1, 3}) {
    autograd::SetThreadCount(count);
    Affine module(200001);
    AdamW optimizer(GroupParameters(module));
    SetTo(module.weight.gradient(), [](int64_t i) { return std::sin(0.1 * static_cast<double>(i)); });
    norms.push_back(GradientNorm(optimizer.parameters()).Item());
    optimizer.Step(0.1);
    values.push_back(module.weight.value().ToVector<float>());
  }
  autograd::SetThreadCount(threads);
  EXPECT_EQ(values[0], values[1]);
  EXPECT_EQ(norms[0], norms[1]);
}

TEST(Optimizer, NamesItsState) {
  Affine module(2);
  AdamW adamw(GroupParameters(module));
  Sgd sgd(GroupParameters(module)), plain(GroupParameters(module), {.momentum = 0});
  std::vector<std::string> names;
  for (const NamedBuffer& named : NamedBuffers(adamw)) names.push_back(named.name);
  EXPECT_EQ(names, (std::vector<std::string>{"first_moment.weight", "second_moment.weight", "first_moment.bias",
                                             "second_moment.bias", "steps"}));
  EXPECT_EQ(NamedBuffers(sgd)[1].name, "momentum.bias");
  EXPECT_TRUE(NamedBuffers(plain).empty());
  EXPECT_THROW(Sgd(GroupParameters(module), {.momentum = 0, .nesterov = true}), autograd::Error);
}

TEST(MovingAverage, FollowsTheValuesInClosedForm) {
  Affine module(3), other(3);
  MovingAverage average(module, 0.9);
  SetTo(module.weight.mutable_value(), [](int64_t i) { return static_cast<double>(i + 1); });
  module.count.data<int64_t>()[0] = 17;
  for (int t = 0; t < 4; ++t) average.Update();
  const double expected = 3 * (1 - std::pow(0.9, 4));
  {
    AverageScope scope(average);
    EXPECT_NEAR(module.weight.value().data<float>()[2], expected, 1e-6);
    EXPECT_EQ(module.count.data<int64_t>()[0], 17);
  }
  EXPECT_EQ(module.weight.value().data<float>()[2], 3);
  average.CopyTo(other);
  EXPECT_NEAR(other.weight.value().data<float>()[2], expected, 1e-6);
  EXPECT_EQ(other.count.data<int64_t>()[0], 17);
  EXPECT_EQ(NamedBuffers(average)[0].name, "weight");
  Affine larger(4);
  EXPECT_THROW(average.CopyTo(larger), autograd::Error);
}

}  // namespace
}  // namespace nn
