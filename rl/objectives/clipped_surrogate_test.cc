#include "rl/objectives/clipped_surrogate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/testing/op_contract.h"
#include "rl/policies/diagonal_gaussian.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::RandomKey;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

OP_CONTRACT(ClippedSurrogate, OpCase{"Entries",
                                     [](Inputs x) {
                                       return ClippedSurrogate(
                                           x[0], x[1].array(), x[2].array(),
                                           {.clip = 0.1, .clip_high = 0.3, .largest_log_ratio = 0.7});
                                     },
                                     {{{9, 7}}, {{9, 7}, -1, 1, false}, {{9, 7}, -2, 2, false}}});

// Entry by entry, with log ρ = 0.1, ±0.5 and ±3 for either sign of A, against the formula and its derivative by hand.
TEST(ClippedSurrogateTest, ValueAndGradientByHand) {
  const ClippedSurrogateOptions options{.clip = 0.2, .clip_high = 0.3, .largest_log_ratio = 2};
  std::vector<double> differences, advantages;
  for (double difference : {0.1, 0.5, -0.5, 3.0, -3.0}) {
    for (double advantage : {1.5, -1.5}) {
      differences.push_back(difference);
      advantages.push_back(advantage);
    }
  }
  const auto count = static_cast<int64_t>(differences.size());
  Tape tape;
  const Variable log_probability = tape.Watch(Array::From({count}, differences));
  Array log_ratio;
  const Variable y = ClippedSurrogate(log_probability, Array::Zeros({count}, kFloat64),
                                      Array::From({count}, advantages), options, &log_ratio);
  tape.Backward(y, Array::Full({count}, kFloat64, 1));
  EXPECT_EQ(log_ratio.ToVector<double>(), differences);
  const std::vector<double> gradient = tape.Gradient(log_probability).ToVector<double>();
  int clipped = 0, bounded = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double ratio = std::exp(std::clamp(differences[i], -2.0, 2.0)), a = advantages[i];
    const double held = std::min(std::max(ratio, 0.8), 1.3);
    const bool inside = std::abs(differences[i]) <= 2;
    EXPECT_NEAR(y.array().ToVector<double>()[i], -std::min(ratio * a, held * a), 1e-14) << i;
    EXPECT_NEAR(gradient[i], inside && ratio * a <= held * a ? -ratio * a : 0, 1e-14) << i;
    clipped += held * a < ratio * a;
    bounded += !inside;
  }
  const RatioReport report = ReportRatios(log_ratio, Array::From({count}, advantages), options);
  EXPECT_NEAR(report.smallest, std::exp(-2.0), 1e-15);
  EXPECT_NEAR(report.largest, std::exp(2.0), 1e-14);
  EXPECT_NEAR(report.clipped, clipped / static_cast<double>(count), 1e-14);
  EXPECT_NEAR(report.bounded, bounded / static_cast<double>(count), 1e-14);
}

// Latents of real size, 64·64·256 dimensions an image, of a policy that has moved by 0.02 σ: the sum of the log-ratios
// has the mean −D·0.02²/2 = −210 and the deviation √D·0.02 = 20, far outside the bounds, their mean is −0.0002 ±
// 0.00002.
TEST(ClippedSurrogateTest, OfAGaussianSumsLeaveTheBoundsAndMeansDoNot) {
  const int64_t channels = 256;
  const DiagonalGaussian old(Array::Zeros({2, channels}, kFloat32), Array::Zeros({2, channels}, kFloat32), {64, 64});
  const Array action = old.Sample(RandomKey(1)), advantage = Array::From<float>({2}, {1, -1});
  for (Reduction reduction : {Reduction::kSum, Reduction::kMean}) {
    Tape tape;
    const Variable mean = tape.Watch(Array::Full({2, channels}, kFloat32, 0.02));
    const DiagonalGaussian policy(mean, old.log_standard_deviation(), {64, 64});
    Array log_ratio;
    const Variable y = ClippedSurrogate(policy.LogProbability(action, reduction),
                                        old.LogProbability(action, reduction).array(), advantage, {}, &log_ratio);
    tape.Backward(y, Array::Full({2}, kFloat32, 1));
    const RatioReport report = ReportRatios(log_ratio, advantage);
    double largest = 0;
    for (float g : tape.Gradient(mean).ToVector<float>()) largest = std::max(largest, std::abs(static_cast<double>(g)));
    if (reduction == Reduction::kSum) {
      EXPECT_EQ(report.bounded, 1);
      EXPECT_LT(std::log(static_cast<double>(report.largest)), -19.9);
      EXPECT_EQ(largest, 0);  // nothing is learnt
    } else {
      EXPECT_EQ(report.bounded, 0);
      EXPECT_EQ(report.clipped, 0);
      EXPECT_NEAR(report.smallest, 1, 0.001);
      EXPECT_NEAR(report.largest, 1, 0.001);
      EXPECT_GT(largest, 0);
    }
  }
}

// The mean overflows as well once the two σ are far apart: at σ_old = e⁴ and σ = e⁻⁴ a log-ratio is about −e¹⁶/2, and
// with the roles exchanged exp(8) of a mean is near 3000. Bounded, neither loss nor gradient is infinite.
TEST(ClippedSurrogateTest, OfAGaussianWithFarSigmasStaysFinite) {
  for (double sign : {1.0, -1.0}) {
    const DiagonalGaussian old(Array::Zeros({1, 8}, kFloat32), Array::Full({1, 8}, kFloat32, 4 * sign), {3, 3});
    const Array action = old.Sample(RandomKey(1));
    for (double advantage : {1.0, -1.0}) {
      for (double bound : {2.0, kLargestLogRatio}) {
        Tape tape;
        const Variable deviation = tape.Watch(Array::Full({1, 8}, kFloat32, -4 * sign));
        const DiagonalGaussian policy(Array::Zeros({1, 8}, kFloat32), deviation, {3, 3});
        Array log_ratio;
        const Variable y = ClippedSurrogate(
            policy.LogProbability(action, Reduction::kMean), old.LogProbability(action, Reduction::kMean).array(),
            Array::Full({1}, kFloat32, advantage), {.largest_log_ratio = bound}, &log_ratio);
        tape.Backward(y, Array::Full({1}, kFloat32, 1));
        EXPECT_TRUE(std::isfinite(y.Item()));
        EXPECT_LE(std::abs(y.Item()), std::exp(bound) * 1.0001);
        for (float g : tape.Gradient(deviation).ToVector<float>()) EXPECT_TRUE(std::isfinite(g));
        EXPECT_EQ(ReportRatios(log_ratio, Array::Full({1}, kFloat32, advantage), {.largest_log_ratio = bound}).bounded,
                  std::abs(log_ratio.Item()) > bound ? 1 : 0);
      }
    }
  }
}

TEST(ClippedSurrogateTest, AReportOfNothingAndOfNaN) {
  const RatioReport nothing = ReportRatios(Array::Zeros({0}, kFloat32), Array::Zeros({0}, kFloat32));
  EXPECT_EQ(nothing.smallest, 1);
  EXPECT_EQ(nothing.clipped, 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(ReportRatios(Array::From<float>({2}, {0, nan}), Array::Zeros({2}, kFloat32)).largest));
}

TEST(ClippedSurrogateTest, Misuse) {
  const Array x = Array::Zeros({2}, kFloat32);
  ExpectError([&] { ClippedSurrogate(x, x, Array::Zeros({3}, kFloat32)); }, "ClippedSurrogate");
  ExpectError([&] { ClippedSurrogate(x, x, x, {.clip = 1.5}); }, "clip is 1.5");
  ExpectError([&] { ClippedSurrogate(x, x, x, {.largest_log_ratio = 0}); }, "largest_log_ratio is 0");
}

}  // namespace
}  // namespace rl
