#include "rl/policies/diagonal_gaussian.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "autograd/ops/standard_normal.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

constexpr Reduction kSum = Reduction::kSum, kMean = Reduction::kMean;
const std::vector<int64_t> kPositions = {2, 5};

// A constant action, then the parameters: [3, 4] for all positions, or as the action.
OpCase LogProbabilityCase(const char* name, Reduction reduction, bool broadcast) {
  const Shape action = {3, 2, 5, 4}, parameters = broadcast ? Shape{3, 4} : action;
  return OpCase{name,
                [=](Inputs x) {
                  const DiagonalGaussian policy(x[0], x[1], broadcast ? kPositions : std::vector<int64_t>());
                  return policy.LogProbability(x[2].array(), reduction);
                },
                {{parameters}, {parameters}, {action, -1, 1, false}}};
}
OpCase PathwiseCase(const char* name, Reduction reduction) {
  return OpCase{
      name,
      [=](Inputs x) { return DiagonalGaussian(x[0], x[1], kPositions).PathwiseLogProbability(x[2], reduction); },
      {{{3, 4}}, {{3, 4}}, {{3, 2, 5, 4}}}};
}
OpCase EntropyCase(const char* name, Reduction reduction) {
  return OpCase{name,
                [=](Inputs x) {
                  return DiagonalGaussian(Array::Zeros({3, 4}, x[0].dtype()), x[0], kPositions).Entropy(reduction);
                },
                {{{3, 4}}}};
}
OpCase DivergenceCase(const char* name, Reduction reduction, Shape parameters, std::vector<int64_t> positions) {
  return OpCase{name,
                [=](Inputs x) {
                  const DiagonalGaussian p(x[0], x[1], positions), q(x[2], x[3], positions);
                  return p.Divergence(q, reduction);
                },
                {{parameters}, {parameters}, {parameters}, {parameters}}};
}
OpCase SampleCase(const char* name, Shape parameters, std::vector<int64_t> positions) {
  return OpCase{
      name,
      [=](Inputs x) { return DiagonalGaussian(x[0], x[1], positions).ReparameterizedSample(RandomKey(3), 2); },
      {{parameters}, {parameters}}};
}

OP_CONTRACT(DiagonalGaussian, LogProbabilityCase("LogProbabilitySum", kSum, false),
            LogProbabilityCase("LogProbabilityMean", kMean, false),
            LogProbabilityCase("LogProbabilityOfMapsSum", kSum, true),
            LogProbabilityCase("LogProbabilityOfMapsMean", kMean, true), PathwiseCase("PathwiseSum", kSum),
            PathwiseCase("PathwiseMean", kMean), EntropyCase("EntropySum", kSum), EntropyCase("EntropyMean", kMean),
            DivergenceCase("DivergenceSum", kSum, {3, 4}, kPositions),
            DivergenceCase("DivergenceMean", kMean, {3, 4}, kPositions),
            DivergenceCase("DivergenceOfSameShape", kSum, {2, 3, 3, 4}, {}), SampleCase("Sample", {3, 2, 4}, {}),
            SampleCase("SampleOfMaps", {3, 4}, {2, 5}),
            OpCase{"Mode", [](Inputs x) { return DiagonalGaussian(x[0], x[0], kPositions).Mode(); }, {{{3, 4}}}});

double LogDensity(double a, double mean, double log_deviation) {
  const double deviation = std::exp(log_deviation), pi = std::acos(-1.0);
  return std::log(std::exp(-(a - mean) * (a - mean) / (2 * deviation * deviation)) / (deviation * std::sqrt(2 * pi)));
}

// ∫ f by the trapezoidal rule over ±12, which converges faster than any power of the step for what decays like a
// Gaussian.
double Integral(const std::function<double(double)>& f) {
  double sum = 0;
  for (int i = -2400; i <= 2400; ++i) sum += f(i * 0.005) * 0.005;
  return sum;
}

TEST(DiagonalGaussianTest, LogProbabilityIsTheDensity) {
  const Array mean = RandomArray({2, 3}, kFloat64, RandomKey(1)),
              deviation = RandomArray({2, 3}, kFloat64, RandomKey(2));
  const Array action = RandomArray({2, 4, 3}, kFloat64, RandomKey(3), -2, 2);
  const DiagonalGaussian policy(mean, deviation, {4});
  const std::vector<double> sums = policy.LogProbability(action, kSum).array().ToVector<double>();
  const std::vector<double> means = policy.LogProbability(action, kMean).array().ToVector<double>();
  for (int64_t n = 0; n < 2; ++n) {
    double expected = 0;
    for (int64_t i = 0; i < 12; ++i) {
      const int64_t parameter = n * 3 + i % 3;
      expected += LogDensity(action.data<double>()[n * 12 + i], mean.data<double>()[parameter],
                             deviation.data<double>()[parameter]);
    }
    EXPECT_NEAR(sums[n], expected, 1e-12);
    EXPECT_NEAR(means[n], expected / 12, 1e-13);
  }
}

TEST(DiagonalGaussianTest, EntropyAndDivergenceAreTheIntegrals) {
  const double m = 0.3, l = -0.4, other_m = -0.5, other_l = 0.2;
  const auto policy = [](double mean, double log_deviation) {
    return DiagonalGaussian(Array::From<double>({1, 1}, {mean}), Array::From<double>({1, 1}, {log_deviation}), {2, 3});
  };
  const double entropy = Integral([&](double a) { return -std::exp(LogDensity(a, m, l)) * LogDensity(a, m, l); });
  const double divergence = Integral([&](double a) {
    return std::exp(LogDensity(a, m, l)) * (LogDensity(a, m, l) - LogDensity(a, other_m, other_l));
  });
  EXPECT_NEAR(Integral([&](double a) { return std::exp(LogDensity(a, m, l)); }), 1, 1e-12);
  EXPECT_NEAR(policy(m, l).Entropy(kMean).Item(), entropy, 1e-12);
  EXPECT_NEAR(policy(m, l).Entropy(kSum).Item(), 6 * entropy, 1e-11);
  EXPECT_NEAR(policy(m, l).Divergence(policy(other_m, other_l), kMean).Item(), divergence, 1e-12);
  EXPECT_NEAR(policy(m, l).Divergence(policy(other_m, other_l), kSum).Item(), 6 * divergence, 1e-11);
}

TEST(DiagonalGaussianTest, EqualDistributionsDivergeByExactlyZero) {
  const Array mean = RandomArray({4, 5}, kFloat32, RandomKey(1)),
              deviation = RandomArray({4, 5}, kFloat32, RandomKey(2));
  const DiagonalGaussian policy(mean, deviation, {7});
  EXPECT_EQ(policy.Divergence(policy, kSum).array().ToVector<float>(), std::vector<float>(4, 0.0f));
}

// ∇_μ log π(a) = ε/σ and ∇_{log σ} log π(a) = ε² − 1 at a = μ + σε held constant; through the sample as well, 0 and −1
// are left.
TEST(DiagonalGaussianTest, TheTwoGradientsAreNotMixed) {
  const Array mean = RandomArray({2, 3}, kFloat64, RandomKey(1)),
              deviation = RandomArray({2, 3}, kFloat64, RandomKey(2));
  const std::vector<double> noise = StandardNormal({2, 3}, kFloat64, RandomKey(4)).ToVector<double>();
  for (bool pathwise : {false, true}) {
    Tape tape;
    const Variable m = tape.Watch(mean), l = tape.Watch(deviation);
    const DiagonalGaussian policy(m, l);
    const Variable sample = policy.ReparameterizedSample(RandomKey(4));
    const Variable y =
        pathwise ? policy.PathwiseLogProbability(sample, kSum) : policy.LogProbability(sample.array(), kSum);
    tape.Backward(y, Array::Full({2}, kFloat64, 1));
    const std::vector<double> by_mean = tape.Gradient(m).ToVector<double>(),
                              by_deviation = tape.Gradient(l).ToVector<double>();
    for (size_t i = 0; i < noise.size(); ++i) {
      const double sigma = std::exp(deviation.data<double>()[i]);
      EXPECT_NEAR(by_mean[i], pathwise ? 0 : noise[i] / sigma, 1e-12) << i;
      EXPECT_NEAR(by_deviation[i], pathwise ? -1 : noise[i] * noise[i] - 1, 1e-12) << i;
    }
  }
}

TEST(DiagonalGaussianTest, SamplesAreTheStandardNormalScaled) {
  const Array mean = RandomArray({3, 4}, kFloat64, RandomKey(1)),
              deviation = RandomArray({3, 4}, kFloat64, RandomKey(2));
  const DiagonalGaussian policy(mean, deviation, {2, 5});
  EXPECT_EQ(policy.action_shape(), Shape({3, 2, 5, 4}));
  const std::vector<double> noise = StandardNormal({3, 2, 5, 4}, kFloat64, RandomKey(7), 6).ToVector<double>();
  const std::vector<double> sample = policy.Sample(RandomKey(7), 6).ToVector<double>();
  const std::vector<double> mode = policy.Mode().array().ToVector<double>();
  for (size_t i = 0; i < sample.size(); ++i) {
    const size_t parameter = i / 40 * 4 + i % 4;
    const double m = mean.data<double>()[parameter], sigma = std::exp(deviation.data<double>()[parameter]);
    EXPECT_NEAR(sample[i], m + sigma * noise[i], 1e-14);
    EXPECT_EQ(mode[i], m);
  }
  Tape tape;
  const DiagonalGaussian watched(tape.Watch(mean), deviation);
  watched.Sample(RandomKey(1));
  EXPECT_EQ(tape.node_count(), 1u);  // the leaf
}

// E[∇ log π(a)·f(a)] is the gradient of E f(a): for f(a) = a² and one dimension it is (2μ, 2σ²) by (μ, log σ). With σ =
// 1 and a = μ + ε the terms are a²·ε and a²·(ε² − 1); their variances follow from E ε² = 1, E ε⁴ = 3, E ε⁶ = 15, E ε⁸ =
// 105.
TEST(DiagonalGaussianTest, TheScoreFunctionGradientIsUnbiased) {
  constexpr int64_t kDraws = 1 << 16;
  const double m = 0.5, sigma = 1;
  const Array mean = Array::Full({kDraws, 1}, kFloat64, m),
              deviation = Array::Full({kDraws, 1}, kFloat64, std::log(sigma));
  Tape tape;
  const Variable watched_mean = tape.Watch(mean), watched_deviation = tape.Watch(deviation);
  const DiagonalGaussian policy(watched_mean, watched_deviation);
  const Array action = policy.Sample(RandomKey(5));
  std::vector<double> weights;
  for (double a : action.ToVector<double>()) weights.push_back(a * a / kDraws);
  tape.Backward(policy.LogProbability(action, kSum), Array::From({kDraws}, weights));
  double by_mean = 0, by_deviation = 0;
  for (double g : tape.Gradient(watched_mean).ToVector<double>()) by_mean += g;
  for (double g : tape.Gradient(watched_deviation).ToVector<double>()) by_deviation += g;
  // E a⁴·ε² = m⁴ + 6m²·3 + 15 and E a⁴·(ε² − 1)² = 2m⁴ + 6m²·(15 − 6 + 1) + (105 − 30 + 3); 3.89: level 1e-4.
  const double m2 = m * m, m4 = m2 * m2;
  const double mean_variance = (m4 + 6 * m2 * 3 + 15) - 4 * m2;
  const double deviation_variance = (2 * m4 + 6 * m2 * (15 - 2 * 3 + 1) + (105 - 2 * 15 + 3)) - 4;
  EXPECT_NEAR(by_mean, 2 * m, 3.89 * std::sqrt(mean_variance / kDraws));
  EXPECT_NEAR(by_deviation, 2 * sigma * sigma, 3.89 * std::sqrt(deviation_variance / kDraws));
}

TEST(DiagonalGaussianTest, BFloat16ParametersAreComputedInFloat32) {
  const Array half = RandomArray({2, 3}, autograd::kBFloat16, RandomKey(1));
  std::vector<float> values;
  for (autograd::BFloat16 value : half.ToVector<autograd::BFloat16>()) values.push_back(static_cast<float>(value));
  const Array wide = Array::From({2, 3}, values);
  const DiagonalGaussian from_half(half, half), from_wide(wide, wide);
  EXPECT_EQ(from_half.Sample(RandomKey(1)).ToVector<float>(), from_wide.Sample(RandomKey(1)).ToVector<float>());
  EXPECT_EQ(from_half.Entropy(kSum).array().ToVector<float>(), from_wide.Entropy(kSum).array().ToVector<float>());
}

TEST(DiagonalGaussianTest, Misuse) {
  const Array two = Array::Zeros({2, 3}, kFloat32), three = Array::Zeros({3, 3}, kFloat32);
  ExpectError([&] { DiagonalGaussian(two, three); }, "n is 2");
  ExpectError(
      [&] {
        DiagonalGaussian(Array::Zeros({2, 1, 3}, kFloat32), Array::Zeros({2, 1, 3}, kFloat32), {4});
      },
      "mean");
  ExpectError([&] { DiagonalGaussian(two, two, {0}); }, "positions are [0]");
  const DiagonalGaussian policy(two, two, {4});
  ExpectError([&] { policy.LogProbability(two, kSum); }, "action [2, 3] for a distribution over [2, 4, 3]");
  ExpectError([&] { policy.Divergence(DiagonalGaussian(two, two), kSum); }, "distributions over [2, 4, 3] and [2, 3]");
}

}  // namespace
}  // namespace rl
