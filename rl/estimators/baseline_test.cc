#include "rl/estimators/baseline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "autograd/collective/in_process.h"
#include "autograd/core/captured_step.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::RandomKey;
using autograd::testing::ExpectError;
using autograd::testing::OnEachDevice;
using autograd::testing::RandomArray;

constexpr double kTau = 0.9;

double MeanOf(const std::vector<float>& values) {
  double sum = 0;
  for (float value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

TEST(BaselineTest, MeanReward) {
  const std::vector<float> rewards = RandomArray({3, 5}, kFloat32, RandomKey(1)).ToVector<float>();
  OnEachDevice([&] {
    EXPECT_NEAR(MeanReward(Array::From({3, 5}, rewards), nullptr).Item(), MeanOf(rewards), 1e-15);
    EXPECT_EQ(MeanReward(Array::Zeros({3, 0}, kFloat32), nullptr).Item(), 0);
  });
}

TEST(BaselineTest, LeaveOneOut) {
  const std::vector<float> rewards = RandomArray({4, 3}, kFloat32, RandomKey(2)).ToVector<float>();
  OnEachDevice([&] {
    const std::vector<float> baseline = LeaveOneOutBaseline(Array::From({4, 3}, rewards)).ToVector<float>();
    for (int i = 0; i < 12; ++i) {
      double others = 0;
      for (int j = i % 3; j < 12; j += 3) others += j == i ? 0 : rewards[j];
      // Sums of four numbers below 1: three roundings of at most 2^-23, and the division.
      EXPECT_NEAR(baseline[i], others / 3, 4.0 / (1 << 23)) << i;
    }
  });
}

TEST(BaselineTest, MovingAverage) {
  OnEachDevice([] {
    MovingAverageBaseline baseline(kTau);
    EXPECT_EQ(baseline.value().Item(), 0);
    double expected = 0;
    for (uint64_t step = 0; step < 5; ++step) {
      std::vector<float> rewards(6);
      for (size_t i = 0; i < rewards.size(); ++i)
        rewards[i] = autograd::UniformFloat(autograd::Philox(RandomKey(step), i).x);
      const Array sound = Array::Full({1}, kFloat64, step == 3 ? 0 : 1);
      baseline.Update(Array::From({2, 3}, rewards), nullptr, step < 2 ? Array() : sound);
      if (step != 3) expected = kTau * expected + (1 - kTau) * MeanOf(rewards);
      EXPECT_NEAR(baseline.value().Item(), expected, 1e-15) << step;
    }
  });
}

TEST(BaselineTest, ARecordedStepFollows) {
  OnEachDevice([] {
    Array rewards = Array::Zeros({1, 2}, kFloat32);
    MovingAverageBaseline baseline(0.5);
    autograd::CapturedStep step([&](const RandomKey&) { baseline.Update(rewards, nullptr); }, 0);
    for (uint64_t i = 0; i < 3; ++i) {
      rewards.CopyFrom(Array::Full({1, 2}, kFloat32, static_cast<double>(i + 1)));
      step.Run(RandomKey(1), i);
    }
    EXPECT_EQ(baseline.value().Item(), 0.5 * (0.5 * 0.5 * 1 + 0.5 * 2) + 0.5 * 3);
  });
}

TEST(BaselineTest, RanksShareOneAverage) {
  const Array rewards = RandomArray({2, 5}, kFloat32, RandomKey(3));
  MovingAverageBaseline whole(kTau);
  whole.Update(rewards, nullptr);
  autograd::RunRanks(2, [&](autograd::Collective& collective) {
    const int64_t begin = collective.rank() == 0 ? 0 : 1, end = collective.rank() == 0 ? 1 : 5;
    std::vector<float> own;
    for (int64_t draw = 0; draw < 2; ++draw)
      own.insert(own.end(), rewards.data<float>() + draw * 5 + begin, rewards.data<float>() + draw * 5 + end);
    MovingAverageBaseline part(kTau);
    part.Update(Array::From({2, end - begin}, own), &collective);
    EXPECT_EQ(part.value().Item(), whole.value().Item());
  });
}

TEST(BaselineTest, TheStateIsAField) {
  MovingAverageBaseline baseline(kTau);
  baseline.Update(Array::Full({1, 1}, kFloat32, 2), nullptr);
  const std::vector<nn::NamedBuffer> buffers = nn::NamedBuffers(baseline);
  ASSERT_EQ(buffers.size(), 1u);
  EXPECT_EQ(buffers[0].name, "value");
  EXPECT_EQ(buffers[0].array->Item(), baseline.value().Item());
}

TEST(BaselineTest, AdvantagesAreBounded) {
  const std::vector<float> rewards = {-3, -0.5, 0.25, 0.75, 1, 4};
  OnEachDevice([&] {
    const Array r = Array::From({2, 3}, rewards);
    const std::vector<float> none = AdvantagesOver(r, {}).ToVector<float>();
    const std::vector<float> single = AdvantagesOver(r, Array::Full({1}, kFloat64, 0.5), -2, 3).ToVector<float>();
    const double infinity = std::numeric_limits<double>::infinity();
    const std::vector<float> each = AdvantagesOver(r, r, -infinity, infinity).ToVector<float>();
    for (size_t i = 0; i < rewards.size(); ++i) {
      EXPECT_EQ(none[i], std::clamp(rewards[i], -1.0f, 1.0f));
      EXPECT_EQ(single[i], std::clamp(rewards[i] - 0.5f, -2.0f, 3.0f));
      EXPECT_EQ(each[i], 0);
    }
  });
}

TEST(BaselineTest, Misuse) {
  const Array one = Array::Zeros({1, 3}, kFloat32);
  ExpectError([&] { LeaveOneOutBaseline(one); }, "two draws an image or more, not rewards [1, 3]");
  ExpectError([&] { AdvantagesOver(one, Array::Zeros({3}, kFloat32)); }, "baseline float32 [3] for rewards [1, 3]");
  ExpectError([&] { AdvantagesOver(one, {}, 1, -1); }, "bounds are 1 and -1");
  ExpectError([] { MovingAverageBaseline baseline(1); }, "decay is 1");
}

}  // namespace
}  // namespace rl
