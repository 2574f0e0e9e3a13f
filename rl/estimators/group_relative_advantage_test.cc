#include "rl/estimators/group_relative_advantage.h"

#include <gtest/gtest.h>

#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;

TEST(GroupRelativeAdvantageTest, KnownValues) {
  // Rewards 1, 0, 0, 1, 0 beside a group that is shifted and scaled: the same advantages.
  const Array rewards = Array::From<float>({5, 2}, {1, 40, 0, 10, 0, 10, 1, 40, 0, 10});
  const std::vector<float> population = GroupRelativeAdvantage(rewards).ToVector<float>();
  const std::vector<float> sample = GroupRelativeAdvantage(rewards, Deviation::kSample).ToVector<float>();
  for (int image = 0; image < 2; ++image) {
    for (int i : {0, 3}) {
      EXPECT_NEAR(population[2 * i + image], 1.22474, 1e-5);
      EXPECT_NEAR(sample[2 * i + image], 1.09545, 1e-5);
    }
    for (int i : {1, 2, 4}) {
      EXPECT_NEAR(population[2 * i + image], -0.81650, 1e-5);
      EXPECT_NEAR(sample[2 * i + image], -0.73030, 1e-5);
    }
  }
}

TEST(GroupRelativeAdvantageTest, EqualRewardsGiveExactlyZero) {
  for (Deviation deviation : {Deviation::kPopulation, Deviation::kSample}) {
    EXPECT_EQ(GroupRelativeAdvantage(Array::Full({7, 3}, autograd::kFloat32, 0.1), deviation).ToVector<float>(),
              std::vector<float>(21, 0.0f));
    EXPECT_EQ(GroupRelativeAdvantage(Array::Full({1, 2}, autograd::kFloat32, 0.1), deviation).ToVector<float>(),
              std::vector<float>(2, 0.0f));
  }
}

TEST(GroupRelativeAdvantageTest, CudaInTheEmulatorGivesTheSame) {
  const Array rewards = autograd::testing::RandomArray({5, 40}, autograd::kFloat32, autograd::RandomKey(1));
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (Deviation deviation : {Deviation::kPopulation, Deviation::kSample}) {
    const std::vector<float> expected = GroupRelativeAdvantage(rewards, deviation).ToVector<float>();
    autograd::StreamScope scope(*stream);
    EXPECT_EQ(GroupRelativeAdvantage(rewards.To(*stream), deviation).ToVector<float>(), expected);
  }
}

TEST(GroupRelativeAdvantageTest, Misuse) {
  autograd::testing::ExpectError([] { GroupRelativeAdvantage(Array::Zeros({2}, autograd::kFloat32)); },
                                 "GroupRelativeAdvantage");
}

}  // namespace
}  // namespace rl
