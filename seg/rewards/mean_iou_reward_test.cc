#include "seg/rewards/mean_iou_reward.h"

#include <gtest/gtest.h>

#include <set>
#include <span>
#include <string>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "seg/metrics/image_scores.h"

namespace seg {
namespace {

using autograd::Philox;
using autograd::RandomKey;
using autograd::UniformBelow;

// By sets of pixels, class by class: the definition.
ImageScores FromSets(const std::vector<uint8_t>& truth, const std::vector<uint8_t>& map, int classes,
                     ClassSet class_set) {
  double iou = 0, dice = 0;
  int averaged = 0;
  for (int k = 0; k < classes; ++k) {
    std::set<size_t> in_truth, in_map, united, shared;
    for (size_t i = 0; i < truth.size(); ++i) {
      if (truth[i] == 255) continue;
      if (truth[i] == k) in_truth.insert(i);
      if (map[i] == k) in_map.insert(i);
    }
    united = in_truth;
    united.insert(in_map.begin(), in_map.end());
    for (size_t i : in_truth) {
      if (in_map.count(i) != 0) shared.insert(i);
    }
    if (class_set != ClassSet::kAll && (class_set == ClassSet::kTruth ? in_truth : united).empty()) continue;
    const double common = static_cast<double>(shared.size());
    if (!united.empty()) iou += common / static_cast<double>(united.size());
    if (!united.empty()) dice += 2 * common / static_cast<double>(in_truth.size() + in_map.size());
    ++averaged;
  }
  if (averaged == 0) return {};
  return {.mean_iou = iou / averaged, .mean_dice = dice / averaged};
}

struct GridSize {
  int64_t height, width, grid_height, grid_width;
};

class CellHistogramsTest : public ::testing::TestWithParam<GridSize> {};

TEST_P(CellHistogramsTest, EqualsTheUpsampledMap) {
  const GridSize size = GetParam();
  constexpr int kClasses = 6;
  std::vector<uint8_t> truth(size.height * size.width), cells(size.grid_height * size.grid_width), pixels(truth.size());
  for (size_t i = 0; i < truth.size(); ++i) {
    const uint32_t draw = UniformBelow(Philox(RandomKey(1), i).x, kClasses);  // class 5 stands for void
    truth[i] = draw == 5 ? 255 : static_cast<uint8_t>(draw % 4);              // class 4 does not occur
  }
  for (uint64_t map = 0; map < 5; ++map) {
    for (size_t i = 0; i < cells.size(); ++i)
      cells[i] = static_cast<uint8_t>(UniformBelow(Philox(RandomKey(2 + map), i).x, kClasses + 1));
    for (int64_t y = 0; y < size.height; ++y) {
      for (int64_t x = 0; x < size.width; ++x) {
        pixels[y * size.width + x] =
            cells[y * size.grid_height / size.height * size.grid_width + x * size.grid_width / size.width];
      }
    }
    const CellHistograms histograms(truth.data(), size.height, size.width, size.grid_height, size.grid_width, kClasses);
    for (ClassSet class_set : {ClassSet::kTruth, ClassSet::kUnion, ClassSet::kAll}) {
      const ImageScores expected = FromSets(truth, pixels, kClasses, class_set);
      const ImageScores of_cells = histograms.Scores(cells.data(), class_set);
      const ImageScores of_pixels = ScoreImage(truth, std::span<const uint8_t>(pixels), kClasses, class_set);
      EXPECT_DOUBLE_EQ(of_cells.mean_iou, expected.mean_iou);
      EXPECT_DOUBLE_EQ(of_cells.mean_dice, expected.mean_dice);
      EXPECT_DOUBLE_EQ(of_pixels.mean_iou, expected.mean_iou);
      EXPECT_DOUBLE_EQ(of_pixels.mean_dice, expected.mean_dice);
      EXPECT_EQ(of_cells.pixel_accuracy, of_pixels.pixel_accuracy);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, CellHistogramsTest,
                         ::testing::Values(GridSize{16, 24, 4, 6}, GridSize{17, 23, 4, 6}, GridSize{9, 7, 1, 1},
                                           GridSize{9, 7, 9, 7}, GridSize{30, 31, 13, 30}),
                         [](const auto& info) { return "Grid" + std::to_string(info.index); });

TEST(MeanIouOfMapsTest, ScoresEveryMapWithItsImage) {
  constexpr int64_t kHeight = 8, kWidth = 12, kImages = 3, kMaps = 4;
  std::vector<std::vector<uint8_t>> truths(kImages);
  for (int64_t image = 0; image < kImages; ++image) {
    for (int64_t i = 0; i < kHeight * kWidth; ++i)
      truths[image].push_back(static_cast<uint8_t>(UniformBelow(Philox(RandomKey(image), i).x, 3)));
  }
  for (int64_t stride : {1, 2, 4}) {
    const int64_t cells = kHeight / stride * kWidth / stride;
    std::vector<uint8_t> maps(kMaps * kImages * cells);
    for (size_t i = 0; i < maps.size(); ++i) maps[i] = static_cast<uint8_t>(UniformBelow(Philox(RandomKey(9), i).x, 3));
    std::vector<const uint8_t*> of_map;
    for (int64_t i = 0; i < kMaps * kImages; ++i) of_map.push_back(truths[i % kImages].data());
    const std::vector<float> scores =
        MeanIouOfMaps(of_map, maps.data(), kHeight, kWidth, kHeight / stride, kWidth / stride, 3, ClassSet::kTruth);
    ASSERT_EQ(scores.size(), of_map.size());
    for (int64_t i = 0; i < kMaps * kImages; ++i) {
      const CellHistograms own(of_map[i], kHeight, kWidth, kHeight / stride, kWidth / stride, 3);
      EXPECT_EQ(scores[i], static_cast<float>(own.MeanIou(maps.data() + i * cells, ClassSet::kTruth)))
          << "stride " << stride << " map " << i;
    }
  }
}

TEST(CellHistogramsTest, Misuse) {
  const std::vector<uint8_t> truth = {0, 1, 2, 3};
  EXPECT_THROW(CellHistograms(truth.data(), 2, 2, 3, 2, 4), autograd::Error);
  EXPECT_THROW(CellHistograms(truth.data(), 2, 2, 1, 1, 3), autograd::Error);
}

}  // namespace
}  // namespace seg
