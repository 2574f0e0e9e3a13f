#include "seg/rewards/pixel_match_reward.h"

#include <gtest/gtest.h>

#include <vector>

namespace seg {
namespace {

TEST(PixelMatchRewardTest, MatchesMissesAndVoid) {
  const std::vector<uint8_t> truth = {0, 3, 255, 2}, actions = {0, 1, 255, 2, 1, 3, 0, 2};
  std::vector<float> rewards(8, -1);
  std::vector<uint8_t> valid(4, 9);
  PixelMatchReward(truth.data(), actions.data(), 2, 4, rewards.data(), valid.data());
  EXPECT_EQ(rewards, (std::vector<float>{1, 0, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(valid, (std::vector<uint8_t>{1, 1, 0, 1}));
}

}  // namespace
}  // namespace seg
