#include "rl/estimators/returns.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::testing::ExpectError;
using autograd::testing::OnEachDevice;
using autograd::testing::RandomArray;

constexpr int64_t kSteps = 7, kPositions = 300;
constexpr double kDiscount = 0.9, kLambda = 0.8;
// A result is rounded once to float32, half a unit of 2^-23 relative to it, and no number here is above 20.
constexpr double kRounding = 20 * 6e-8;

struct Steps {
  std::vector<float> rewards, values;  // [kSteps, kPositions], [kSteps + 1, kPositions]
  std::vector<uint8_t> terminal;

  Steps() : terminal(kSteps * kPositions) {
    rewards = RandomArray({kSteps, kPositions}, kFloat32, RandomKey(1)).ToVector<float>();
    values = RandomArray({kSteps + 1, kPositions}, kFloat32, RandomKey(2), -2, 2).ToVector<float>();
    for (size_t i = 0; i < terminal.size(); ++i) terminal[i] = autograd::Philox(RandomKey(3), i).x % 5 == 0;
  }
  Array Rewards() const { return Array::From({kSteps, 3, kPositions / 3}, rewards); }
  Array Values() const { return Array::From({kSteps + 1, 3, kPositions / 3}, values); }
  Array Bootstrap() const {
    return Array::From({3, kPositions / 3}, std::vector<float>(values.end() - kPositions, values.end()));
  }
  Array Terminal(bool any) const { return any ? Array::From({kSteps, 3, kPositions / 3}, terminal) : Array(); }
};

// Forwards, from the definition: γ^l weights what step t + l brings until an episode ends, then V of the state after
// the last step.
double Return(const Steps& steps, int64_t t, int64_t position, bool episodes, bool bootstrapped) {
  double sum = 0, weight = 1;
  for (int64_t l = t; l < kSteps; ++l) {
    sum += weight * steps.rewards[l * kPositions + position];
    weight *= kDiscount;
    if (episodes && steps.terminal[l * kPositions + position] != 0) return sum;
  }
  return bootstrapped ? sum + weight * steps.values[kSteps * kPositions + position] : sum;
}

// Σ_l (γλ)^l·δ_{t+l}, forwards.
double Advantage(const Steps& steps, int64_t t, int64_t position, bool episodes, double lambda) {
  double sum = 0, weight = 1;
  for (int64_t l = t; l < kSteps; ++l) {
    const int64_t i = l * kPositions + position;
    const bool ends = episodes && steps.terminal[i] != 0;
    sum += weight * (steps.rewards[i] + (ends ? 0 : kDiscount * steps.values[i + kPositions]) - steps.values[i]);
    if (ends) return sum;
    weight *= kDiscount * lambda;
  }
  return sum;
}

TEST(ReturnsTest, NStepReturnsAreTheSums) {
  const Steps steps;
  OnEachDevice([&] {
    for (bool episodes : {false, true}) {
      for (bool bootstrapped : {false, true}) {
        const std::vector<float> returns = NStepReturns(steps.Rewards(), bootstrapped ? steps.Bootstrap() : Array(),
                                                        kDiscount, steps.Terminal(episodes))
                                               .ToVector<float>();
        for (int64_t i = 0; i < kSteps * kPositions; ++i)
          ASSERT_NEAR(returns[i], Return(steps, i / kPositions, i % kPositions, episodes, bootstrapped), kRounding)
              << i;
      }
    }
  });
}

TEST(ReturnsTest, GeneralizedAdvantagesAreTheSums) {
  const Steps steps;
  OnEachDevice([&] {
    for (bool episodes : {false, true}) {
      for (double lambda : {0.0, kLambda, 1.0}) {
        const std::vector<float> advantages =
            GeneralizedAdvantages(steps.Rewards(), steps.Values(), kDiscount, lambda, steps.Terminal(episodes))
                .ToVector<float>();
        for (int64_t i = 0; i < kSteps * kPositions; ++i)
          ASSERT_NEAR(advantages[i], Advantage(steps, i / kPositions, i % kPositions, episodes, lambda), kRounding)
              << i;
      }
    }
  });
}

// With λ = 1 the values between telescope away.
TEST(ReturnsTest, WithLambdaOneAdvantagesAreReturnsLessValues) {
  const Steps steps;
  for (bool episodes : {false, true}) {
    const std::vector<float> returns =
        NStepReturns(steps.Rewards(), steps.Bootstrap(), kDiscount, steps.Terminal(episodes)).ToVector<float>();
    const std::vector<float> advantages =
        GeneralizedAdvantages(steps.Rewards(), steps.Values(), kDiscount, 1, steps.Terminal(episodes))
            .ToVector<float>();
    for (size_t i = 0; i < returns.size(); ++i)
      ASSERT_NEAR(advantages[i], static_cast<double>(returns[i]) - steps.values[i], 2 * kRounding) << i;
  }
}

TEST(ReturnsTest, NoSteps) {
  OnEachDevice([] {
    EXPECT_EQ(NStepReturns(Array::Zeros({0, 3}, kFloat32), Array::Zeros({3}, kFloat32), 0.9).size(), 0);
    EXPECT_EQ(GeneralizedAdvantages(Array::Zeros({2, 0}, kFloat32), Array::Zeros({3, 0}, kFloat32), 0.9, 1).size(), 0);
  });
}

TEST(ReturnsTest, Misuse) {
  const Array rewards = Array::Zeros({4, 3}, kFloat32);
  ExpectError([&] { NStepReturns(rewards, Array::Zeros({4}, kFloat32), 0.9); }, "bootstrap [4] for rewards [4, 3]");
  ExpectError([&] { NStepReturns(rewards, {}, 1.1); }, "discount is 1.1");
  ExpectError([&] { NStepReturns(rewards, {}, 0.9, Array::Zeros({4}, kUInt8)); }, "terminal [4] for rewards [4, 3]");
  ExpectError([&] { GeneralizedAdvantages(rewards, rewards, 0.9, 1); }, "values [4, 3] for rewards [4, 3]");
  ExpectError([&] { GeneralizedAdvantages(rewards, Array::Zeros({5, 3}, kFloat32), 0.9, -1); }, "lambda is -1");
}

}  // namespace
}  // namespace rl
