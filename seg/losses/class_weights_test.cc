#include "seg/losses/class_weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

using autograd::testing::ExpectError;

constexpr double kRounding = 0x1p-23;

TEST(ClassWeights, AreInverseFrequencies) {
  const std::vector<int64_t> counts = {60, 0, 10, 30};
  const std::vector<float> weights = ClassWeights(counts).ToVector<float>();
  // N / (K·n_k) with N = 100 pixels of K = 3 classes.
  const std::vector<double> expected = {100.0 / 180, 0, 100.0 / 30, 100.0 / 90};
  ASSERT_EQ(weights.size(), expected.size());
  for (size_t k = 0; k < expected.size(); ++k) EXPECT_NEAR(weights[k], expected[k], kRounding * expected[k]) << k;
}

TEST(ClassWeights, OfEffectiveNumbers) {
  const std::vector<int64_t> counts = {1, 2, 3};
  // E = 1, 1 + β, 1 + β + β².
  const double beta = 0.25, effective[] = {1, 1.25, 1.3125};
  double sum = 0;
  for (int k = 0; k < 3; ++k) sum += static_cast<double>(counts[k]) / effective[k];
  const std::vector<float> weights = ClassWeights(counts, beta).ToVector<float>();
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(weights[k], 6 / sum / effective[k], 2 * kRounding) << k;
}

TEST(ClassWeights, OfNoEffectAndOfTheLimit) {
  const std::vector<int64_t> counts = {70000, 20000000, 3, 0};
  const std::vector<float> equal = {1, 1, 1, 0};
  EXPECT_EQ(ClassWeights(counts, 0).ToVector<float>(), equal);
  // Where n·(1 − β) is small, E(n) = n·(1 − n·(1 − β)/2 + …).
  const std::vector<float> inverse = ClassWeights(counts).ToVector<float>(),
                           close = ClassWeights(counts, 1 - 0x1p-40).ToVector<float>();
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(close[k], inverse[k], 2e7 * 0x1p-40 * inverse[k]) << k;
}

TEST(ClassWeights, MeanOverPixelsIsOne) {
  const std::vector<int64_t> counts = {123456, 7, 0, 99999999, 1000};
  for (const double beta : {0.0, 0.9, 0.9999, 1.0}) {
    const std::vector<float> weights = ClassWeights(counts, beta).ToVector<float>();
    double weighted = 0, pixels = 0;
    for (size_t k = 0; k < counts.size(); ++k) {
      weighted += static_cast<double>(counts[k]) * weights[k];
      pixels += static_cast<double>(counts[k]);
    }
    EXPECT_NEAR(weighted / pixels, 1, kRounding) << beta;
  }
}

TEST(ClassWeights, Misuse) {
  const std::vector<int64_t> none = {0, 0}, negative = {3, -1}, some = {3, 1};
  ExpectError([&] { ClassWeights(none); }, "ClassWeights: no pixel of 2 classes");
  ExpectError([&] { ClassWeights(negative); }, "ClassWeights: class 1 occurs -1 times");
  ExpectError([&] { ClassWeights(some, 1.5); }, "not in [0, 1]");
  ExpectError([&] { ClassWeights(some, std::nan("")); }, "not in [0, 1]");
}

}  // namespace
}  // namespace seg
