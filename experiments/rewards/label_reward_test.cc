#include "experiments/rewards/label_reward.h"

#include <gtest/gtest.h>

#include <vector>

#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"

namespace experiments {
namespace {

using autograd::Array;

constexpr int kClasses = 5, kImages = 3, kHeight = 12, kWidth = 20, kPixels = kHeight * kWidth;

std::vector<uint8_t> Draw(int64_t size, uint32_t below, uint64_t seed) {
  std::vector<uint8_t> values(size);
  for (int64_t i = 0; i < size; ++i) {
    const uint32_t word = autograd::Philox(autograd::RandomKey(seed), static_cast<uint64_t>(i)).x;
    values[i] = static_cast<uint8_t>(autograd::UniformBelow(word, below));
  }
  return values;
}

std::vector<uint8_t> RandomLabels(uint64_t seed) {
  std::vector<uint8_t> labels = Draw(kImages * kPixels, kClasses + 1, seed);
  for (uint8_t& label : labels) label = label == kClasses ? seg::kVoid : label;
  return labels;
}

// Where the maps lie, whatever the slots' order, and after a change of batch: what the host's scorer says.
TEST(MeanIouRewardTest, ScoresInPlaceAreThoseOfTheHost) {
  constexpr int64_t kMaps = 4;
  const Array maps = Array::From({kMaps, 2, 3, 5}, Draw(kMaps * 2 * 15, kClasses, 7));
  const auto stream = cuda_emulator::OpenEmulatedStream();
  MeanIouReward reward(kClasses, seg::ClassSet::kUnion), on_device(kClasses, seg::ClassSet::kUnion);
  for (uint64_t seed : {1, 2}) {
    const Array labels = Array::From({kImages, kHeight, kWidth}, RandomLabels(seed));
    reward.SetLabels(labels);
    on_device.SetLabels(labels.To(*stream));
    for (const std::vector<int64_t>& slots : {std::vector<int64_t>{0, 1}, std::vector<int64_t>{2, 0}}) {
      const std::vector<float> expected =
          reward.HostReward::ScoreInPlace(slots, maps, kHeight, kWidth).value().ToVector<float>();
      EXPECT_EQ(reward.ScoreInPlace(slots, maps, kHeight, kWidth).value().ToVector<float>(), expected);
      const autograd::StreamScope scope(*stream);
      EXPECT_EQ(on_device.ScoreInPlace(slots, maps.To(*stream), kHeight, kWidth).value().ToVector<float>(), expected);
    }
  }
}

TEST(LabelMatchRewardTest, MatchesTheSlotsInTheirOrder) {
  const std::vector<uint8_t> labels = RandomLabels(1);
  const std::vector<uint8_t> actions = Draw(2 * 2 * kPixels, kClasses, 9);
  const std::vector<int64_t> slots = {2, 0};
  LabelMatchReward reward(kClasses);
  reward.SetLabels(Array::From({kImages, kHeight, kWidth}, labels));
  const auto scores = reward.Score(slots, Array::From({2, 2, kHeight, kWidth}, actions));
  const std::vector<float> rewards = scores->rewards.ToVector<float>();
  const std::vector<uint8_t> valid = scores->valid.ToVector<uint8_t>();
  for (size_t i = 0; i < actions.size(); ++i) {
    const size_t pixel = i % (2 * kPixels);
    const uint8_t label = labels[slots[pixel / kPixels] * kPixels + pixel % kPixels];
    EXPECT_EQ(rewards[i], actions[i] == label ? 1.0f : 0.0f);
    EXPECT_EQ(valid[pixel], label == seg::kVoid ? 0 : 1);
  }
}

}  // namespace
}  // namespace experiments
