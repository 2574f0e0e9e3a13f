#include "seg/rewards/context_reward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::testing::ExpectError;

constexpr int kClasses = 3;

// Below `values`, or 255 for one in seven where `voids`.
Array RandomMap(const autograd::Shape& shape, int values, bool voids, uint64_t seed) {
  std::vector<uint8_t> map(shape.size());
  for (size_t i = 0; i < map.size(); ++i) {
    const autograd::PhiloxWords words = autograd::Philox(RandomKey(seed), i);
    map[i] = voids && autograd::UniformBelow(words.y, 7) == 0
                 ? 255
                 : static_cast<uint8_t>(autograd::UniformBelow(words.x, values));
  }
  return Array::From(shape, map);
}

struct Maps {
  Array before, after, context, labels;
  Maps To(autograd::Stream& stream) const {
    return {before.To(stream), after.To(stream), context.To(stream), labels.To(stream)};
  }
};
Maps RandomMaps(const autograd::Shape& shape) {
  return {RandomMap(shape, kClasses, false, 1), RandomMap(shape, kClasses, false, 2),
          RandomMap(shape, kClasses + 1, false, 3), RandomMap(shape, kClasses, true, 4)};
}

std::vector<float> Reward(const Maps& maps, const ContextRewardOptions& options) {
  return ContextReward(maps.before, maps.after, maps.context, maps.labels, options).ToVector<float>();
}

// Equation 4 as it is printed, one pixel at a time.
std::vector<double> ByHand(const Maps& maps, const ContextRewardOptions& options) {
  const autograd::Shape& shape = maps.labels.shape();
  const auto at = [&](const Array& map, int64_t n, int64_t i, int64_t j) {
    return static_cast<int>(map.data<uint8_t>()[(n * shape[1] + i) * shape[2] + j]);
  };
  std::vector<double> rewards;
  for (int64_t n = 0; n < shape[0]; ++n) {
    for (int64_t i = 0; i < shape[1]; ++i) {
      for (int64_t j = 0; j < shape[2]; ++j) {
        double sum = 0, pixels = 0;
        for (int64_t y = i - options.window_height / 2; y <= i + options.window_height / 2; ++y) {
          for (int64_t x = j - options.window_width / 2; x <= j + options.window_width / 2; ++x) {
            if (y < 0 || y >= shape[1] || x < 0 || x >= shape[2]) continue;
            const int truth = at(maps.labels, n, y, x);
            if (truth == 255) continue;
            const bool was = at(maps.before, n, y, x) == truth, is = at(maps.after, n, y, x) == truth;
            pixels += 1;
            if (was && is) sum += options.kept_right;
            if (was && !is) sum += options.lost;
            if (!was && is) sum += options.gained;
            if (!was && !is) sum += options.kept_wrong;
          }
        }
        double reward = pixels > 0 ? sum / pixels : 0;
        const int truth = at(maps.labels, n, i, j), context = at(maps.context, n, i, j);
        if (truth != 255 && context == truth + 1) reward += options.right_context;
        if (context == 0) reward += options.uncertain;
        rewards.push_back(reward);
      }
    }
  }
  return rewards;
}

struct Case {
  autograd::Shape shape;
  int64_t window_height, window_width;
};
const Case kCases[] = {{{2, 9, 13}, 3, 5},   {{1, 40, 25}, 11, 11}, {{3, 1, 1}, 3, 3},    {{2, 7, 5}, 1, 1},
                       {{1, 5, 70}, 31, 3},  {{1, 100, 3}, 3, 9},   {{1, 90, 17}, 65, 7}, {{2, 6, 8}, 41, 101},
                       {{1, 300, 4}, 1, 11}, {{0, 4, 4}, 3, 3}};

// The paper's values are halves and integers, whose sums are exact: the same float32 numbers, on both backends.
TEST(ContextReward, IsEquationFourByHand) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const Case& c : kCases) {
    const ContextRewardOptions options{.window_height = c.window_height, .window_width = c.window_width};
    const Maps maps = RandomMaps(c.shape);
    const std::vector<double> by_hand = ByHand(maps, options);
    const std::vector<float> expected(by_hand.begin(), by_hand.end());
    EXPECT_EQ(Reward(maps, options), expected) << c.shape;
    autograd::StreamScope scope(*stream);
    for (auto order : {cuda_emulator::ThreadOrder::kForward, cuda_emulator::ThreadOrder::kReverse}) {
      cuda_emulator::SetThreadOrder(order);
      EXPECT_EQ(Reward(maps.To(*stream), options), expected) << c.shape;
    }
    cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
  }
}

// Every setting is used, and for what its name says.
TEST(ContextReward, OtherValues) {
  const ContextRewardOptions options{.window_height = 5,
                                     .window_width = 3,
                                     .right_context = 0.7,
                                     .uncertain = -0.3,
                                     .gained = 1.1,
                                     .lost = -2.3,
                                     .kept_wrong = -0.13,
                                     .kept_right = 0.37};
  const Maps maps = RandomMaps({2, 12, 15});
  const std::vector<double> by_hand = ByHand(maps, options);
  const std::vector<float> rewards = Reward(maps, options);
  // Sums of at most 15 terms below 2.3 in float64, and one rounding to float32 of a number below 4.
  for (size_t i = 0; i < rewards.size(); ++i) EXPECT_NEAR(rewards[i], by_hand[i], 4 * 0x1p-24) << i;
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  EXPECT_EQ(Reward(maps.To(*stream), options), rewards);
}

// A row of five pixels, classes 0 and 1, the middle one void:
//   truth    0 1 · 1 0
//   before   0 0 0 1 1      right, wrong, ·, right, wrong
//   after    0 1 0 0 1      kept right, gained, ·, lost, kept wrong
//   context  1 0 1 1 2
TEST(ContextReward, OneRow) {
  const auto row = [](std::vector<uint8_t> values) { return Array::From<uint8_t>({1, 1, 5}, values); };
  const Maps maps{row({0, 0, 0, 1, 1}), row({0, 1, 0, 0, 1}), row({1, 0, 1, 1, 2}), row({0, 1, 255, 1, 0})};
  const std::vector<float> expected = {0.75f + 0.4f, 0.75f + 0.2f, 0, -0.5f, -0.5f};
  const std::vector<float> rewards = Reward(maps, {.window_height = 1, .window_width = 3});
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(rewards[i], expected[i]) << i;
}

TEST(ContextReward, NothingButVoidEarnsWhatIsUncertain) {
  const Array maps = Array::Zeros({1, 3, 4}, autograd::kUInt8), voids = Array::Full({1, 3, 4}, autograd::kUInt8, 255);
  for (float reward : Reward({maps, maps, maps, voids}, {})) EXPECT_EQ(reward, 0.2f);
  for (float reward : Reward({maps, maps, voids, voids}, {})) EXPECT_EQ(reward, 0);
}

TEST(ContextReward, SameForAnyThreadCount) {
  const Maps maps = RandomMaps({3, 133, 57});
  EXPECT_TRUE(autograd::testing::SameForThreadCounts(
      [&] { return std::vector<Array>{ContextReward(maps.before, maps.after, maps.context, maps.labels)}; }));
}

TEST(ContextReward, Misuse) {
  const Array maps = Array::Zeros({1, 4, 4}, autograd::kUInt8);
  ExpectError([&] { ContextReward(maps, maps, maps, maps, {.window_height = 4}); },
              "ContextReward: the window is 4 x 11 but must be odd");
  ExpectError([&] { ContextReward(maps, maps, maps, maps, {.window_width = 0}); }, "must be odd");
  ExpectError([&] { ContextReward(maps, maps, maps, maps, {.window_width = -3}); }, "must be odd");
  ExpectError([&] { ContextReward(maps, Array::Zeros({1, 4, 5}, autograd::kUInt8), maps, maps); }, "w is 4 in before");
  ExpectError(
      [&] {
        ContextReward(maps, maps, maps, Array::Zeros({1, 4, 4}, autograd::kInt32));
      },
      "labels must be uint8");
}

}  // namespace
}  // namespace seg
