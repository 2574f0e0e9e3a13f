#include "rl/rollouts/reward.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace rl {
namespace {

TEST(SampledMapsTest, UpsamplesToTheNearestCell) {
  const std::vector<uint8_t> cells = {0, 0, 0, 0, 1, 2, 3, 4};
  const SampledMaps maps{cells.data(), 2, 2, 2, 3, 5};
  std::vector<uint8_t> pixels(15);
  maps.Upsample(1, pixels.data());
  // Rows 0 and 1 show cell row 0 (⌊1·2/3⌋ = 0), row 2 row 1; columns 0 … 2 show cell column 0 (⌊2·2/5⌋ = 0).
  EXPECT_EQ(pixels, (std::vector<uint8_t>{1, 1, 1, 2, 2, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4}));
  maps.Upsample(0, pixels.data());
  EXPECT_EQ(pixels, std::vector<uint8_t>(15, 0));
}

TEST(SampledMapsTest, FullResolutionIsCopied) {
  const std::vector<uint8_t> cells = {1, 2, 3, 4, 5, 6};
  const SampledMaps maps{cells.data(), 1, 2, 3, 2, 3};
  std::vector<uint8_t> pixels(6);
  maps.Upsample(0, pixels.data());
  EXPECT_EQ(pixels, cells);
}

// Says what it was asked: image ids and first cells.
class Echo : public HostReward {
 public:
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t> image_ids, const SampledMaps& maps) override {
    std::vector<float> scores;
    for (int64_t i = 0; i < maps.count; ++i)
      scores.push_back(static_cast<float>(100 * image_ids[i] + maps.Map(i)[1] + maps.height + maps.width));
    return scores;
  }
};

TEST(RewardTest, MapsGoToTheHostAndScoresComeBack) {
  Echo reward;
  const std::vector<int64_t> ids = {7, 8};
  const auto maps = autograd::Array::From<uint8_t>({2, 2, 1, 2}, {0, 1, 0, 2, 0, 3, 0, 4});
  const autograd::Array scores = reward.ScoreInPlace(ids, maps, 30, 60).value();
  EXPECT_EQ(scores.shape(), (autograd::Shape{2, 2}));
  EXPECT_EQ(scores.ToVector<float>(), (std::vector<float>{791, 892, 793, 894}));
}

class Fixed : public HostReward {
 public:
  explicit Fixed(std::vector<float> scores) : scores_(std::move(scores)) {}
  absl::StatusOr<std::vector<float>> Score(std::span<const int64_t>, const SampledMaps&) override { return scores_; }

 private:
  std::vector<float> scores_;
};

TEST(CheckedScoreTest, NamesWhatIsWrong) {
  const std::vector<uint8_t> cells = {0, 1};
  const SampledMaps maps{cells.data(), 2, 1, 1, 4, 4};
  const std::vector<int64_t> ids = {70, 71};
  Fixed good({0.5f, 0.25f}), few({0.5f}), bad({0.5f, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(CheckedScore(good, ids, maps).value(), (std::vector<float>{0.5f, 0.25f}));
  EXPECT_NE(std::string(CheckedScore(few, ids, maps).status().message()).find("1 scores for 2 maps"),
            std::string::npos);
  EXPECT_NE(std::string(CheckedScore(bad, ids, maps).status().message()).find("map 1 (image 71)"), std::string::npos);
}

}  // namespace
}  // namespace rl
