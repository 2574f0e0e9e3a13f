#include "nn/initializers/initializers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace nn {
namespace {

using autograd::RandomKey;
using autograd::Shape;

constexpr int64_t kCount = 40000;

std::vector<float> Draw(const Initializer& initializer, const Fans& fans = {}, uint64_t seed = 1) {
  return initializer(Shape{kCount}, fans, RandomKey(seed)).ToVector<float>();
}

double MeanOf(const std::vector<float>& values) { return std::accumulate(values.begin(), values.end(), 0.0) / kCount; }

double DeviationOf(const std::vector<float>& values) {
  const double mean = MeanOf(values);
  double sum = 0;
  for (float value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / kCount);
}

double LargestOf(const std::vector<float>& values) {
  double largest = 0;
  for (float value : values) largest = std::max<double>(largest, std::abs(value));
  return largest;
}

// The limits of the checks are five standard errors of the statistic.
TEST(Initializers, NormalHasItsMoments) {
  const std::vector<float> values = Draw(Normal(0.5, 2));
  EXPECT_NEAR(MeanOf(values), 2, 5 * 0.5 / std::sqrt(kCount));
  EXPECT_NEAR(DeviationOf(values), 0.5, 5 * 0.5 / std::sqrt(2 * kCount));
}

TEST(Initializers, TruncatedNormalCutsAtAbsoluteLimits) {
  EXPECT_NEAR(DeviationOf(Draw(TruncatedNormal())), 0.02, 5 * 0.02 / std::sqrt(2 * kCount));
  // At one deviation: variance 1 − 2φ(1)/(2Φ(1) − 1) = 0.291125.
  const std::vector<float> cut = Draw(TruncatedNormal(1, -1, 1));
  EXPECT_LE(LargestOf(cut), 1);
  EXPECT_NEAR(DeviationOf(cut), std::sqrt(0.291125), 5 * std::sqrt(0.291125 / (2 * kCount)));
  EXPECT_THROW(TruncatedNormal(0.02, 1, 2), autograd::Error);
}

TEST(Initializers, UniformLimitsFollowTheFans) {
  const Fans fans{.in = 9 * 16, .out = 9 * 64};
  // The largest of n falls short of the limit by k/n of it in one of e^k cases.
  const double shortfall = 15.0 / kCount, error = 5 / std::sqrt(2 * kCount);
  EXPECT_NEAR(LargestOf(Draw(GlorotUniform(), fans)), std::sqrt(6.0 / 720), shortfall * std::sqrt(6.0 / 720));
  EXPECT_NEAR(DeviationOf(Draw(GlorotUniform(), fans)), std::sqrt(2.0 / 720), error * std::sqrt(2.0 / 720));
  EXPECT_NEAR(LargestOf(Draw(FanInUniform(), fans)), 1.0 / 12, shortfall / 12);
  EXPECT_NEAR(DeviationOf(Draw(KaimingNormal(), fans)), std::sqrt(2.0 / 576), error * std::sqrt(2.0 / 576));
}

TEST(Initializers, DrawsDependOnTheKeyOnly) {
  EXPECT_EQ(Draw(Normal(1)), Draw(Normal(1)));
  EXPECT_NE(Draw(Normal(1)), Draw(Normal(1), {}, 2));
  EXPECT_EQ(LargestOf(Draw(Zeros())), 0);
  EXPECT_EQ(Draw(Ones())[7], 1);
}

}  // namespace
}  // namespace nn
