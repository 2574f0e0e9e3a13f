#include "seg/rewards/label_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"
#include "seg/rewards/mean_iou_reward.h"
#include "seg/rewards/pixel_match_reward.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::testing::ExpectError;

// Values in [0, classes], where `last` stands for `classes`.
Array RandomLabels(const autograd::Shape& shape, int classes, uint8_t last, uint64_t seed) {
  std::vector<uint8_t> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const uint32_t draw = autograd::UniformBelow(autograd::Philox(RandomKey(seed), i).x, classes + 1);
    values[i] = draw == static_cast<uint32_t>(classes) ? last : static_cast<uint8_t>(draw);
  }
  return Array::From(shape, values);
}

struct Size {
  int64_t images, height, width, grid_height, grid_width;
  int classes;
};

class LabelBatchTest : public ::testing::TestWithParam<Size> {};

// Against the functions on single images, which have tests of their own: on the CPU, and on CUDA in the emulator,
// exactly.
TEST_P(LabelBatchTest, ScoresAreThoseOfSingleImages) {
  constexpr int64_t kMaps = 3;
  const Size size = GetParam();
  const int64_t pixels = size.height * size.width, cells = size.grid_height * size.grid_width;
  const Array labels = RandomLabels({size.images, size.height, size.width}, size.classes, kVoid, 1);
  // Some cells show a class that does not exist.
  const Array maps = RandomLabels({kMaps, size.images, size.grid_height, size.grid_width}, size.classes,
                                  static_cast<uint8_t>(size.classes), 2);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  LabelBatch batch(labels, size.classes), device_batch(labels.To(*stream), size.classes);
  for (ClassSet set : {ClassSet::kTruth, ClassSet::kUnion, ClassSet::kAll}) {
    std::vector<float> expected, expected_dice;
    for (int64_t i = 0; i < kMaps * size.images; ++i) {
      const CellHistograms own(labels.data<uint8_t>() + i % size.images * pixels, size.height, size.width,
                               size.grid_height, size.grid_width, size.classes);
      const ImageScores scores = own.Scores(maps.data<uint8_t>() + i * cells, set);
      expected.push_back(static_cast<float>(scores.mean_iou));
      expected_dice.push_back(static_cast<float>(scores.mean_dice));
    }
    const MapScores scores = batch.Scores(maps, set);
    EXPECT_EQ(scores.mean_iou.ToVector<float>(), expected);
    EXPECT_EQ(scores.mean_dice.ToVector<float>(), expected_dice);
    EXPECT_EQ(batch.MeanIou(maps, set).ToVector<float>(), expected);
    autograd::StreamScope scope(*stream);
    const MapScores on_device = device_batch.Scores(maps.To(*stream), set);
    EXPECT_EQ(on_device.mean_iou.ToVector<float>(), expected);
    EXPECT_EQ(on_device.mean_dice.ToVector<float>(), expected_dice);
    if (set != ClassSet::kTruth) continue;
    cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kReverse);
    EXPECT_EQ(LabelBatch(labels.To(*stream), size.classes).MeanIou(maps.To(*stream), set).ToVector<float>(), expected);
    cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, LabelBatchTest,
                         ::testing::Values(Size{2, 16, 24, 4, 6, 5}, Size{3, 17, 23, 4, 6, 59}, Size{1, 9, 7, 1, 1, 2},
                                           Size{2, 9, 7, 9, 7, 1}, Size{1, 15, 21, 14, 20, 3},
                                           Size{2, 70, 65, 70, 65, 255}),
                         [](const auto& info) { return "Size" + std::to_string(info.index); });

// The pixel whose centre is nearest to the cell's, the later one of two: in distances, not by the formula.
TEST(LabelsAt, IsTheLabelUnderTheCentreOfEachCell) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const auto& [height, width, grid_height, grid_width] :
       {std::array<int64_t, 4>{16, 24, 4, 6}, {17, 23, 5, 6}, {9, 7, 9, 7}, {3, 2, 5, 7}, {11, 13, 1, 1}}) {
    const Array labels = RandomLabels({2, height, width}, 250, kVoid, 3);
    std::vector<uint8_t> expected;
    const auto place = [](int64_t cell, int64_t cells, int64_t pixels) {
      const double centre =
          (static_cast<double>(cell) + 0.5) * static_cast<double>(pixels) / static_cast<double>(cells);
      int64_t best = 0;
      for (int64_t p = 1; p < pixels; ++p) {
        if (std::abs(static_cast<double>(p) + 0.5 - centre) <= std::abs(static_cast<double>(best) + 0.5 - centre))
          best = p;
      }
      return best;
    };
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t i = 0; i < grid_height; ++i) {
        for (int64_t j = 0; j < grid_width; ++j) {
          const int64_t row = place(i, grid_height, height), column = place(j, grid_width, width);
          expected.push_back(labels.data<uint8_t>()[(b * height + row) * width + column]);
        }
      }
    }
    EXPECT_EQ(LabelsAt(labels, grid_height, grid_width).ToVector<uint8_t>(), expected);
    autograd::StreamScope scope(*stream);
    EXPECT_EQ(LabelsAt(labels.To(*stream), grid_height, grid_width).ToVector<uint8_t>(), expected);
  }
  ExpectError([] { LabelsAt(Array::Zeros({1, 4, 6}, autograd::kInt32), 2, 3); }, "LabelsAt: labels");
}

TEST(LabelBatch, NothingButVoidScoresZero) {
  const Array labels = Array::Full({1, 4, 4}, autograd::kUInt8, kVoid),
              maps = Array::Zeros({2, 1, 2, 2}, autograd::kUInt8);
  LabelBatch batch(labels, 3);
  EXPECT_EQ(batch.MeanIou(maps, ClassSet::kTruth).ToVector<float>(), (std::vector<float>{0, 0}));
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  LabelBatch device_batch(labels.To(*stream), 3);
  EXPECT_EQ(device_batch.MeanIou(maps.To(*stream), ClassSet::kUnion).ToVector<float>(), (std::vector<float>{0, 0}));
}

TEST(LabelBatch, PixelsMatch) {
  constexpr int64_t kMaps = 2, kImages = 3, kHeight = 11, kWidth = 9, kPixels = kImages * kHeight * kWidth;
  const Array labels = RandomLabels({kImages, kHeight, kWidth}, 4, kVoid, 1);
  const Array actions = RandomLabels({kMaps, kImages, kHeight, kWidth}, 4, kVoid, 2);
  std::vector<float> rewards(kMaps * kPixels);
  std::vector<uint8_t> valid(kPixels);
  PixelMatchReward(labels.data<uint8_t>(), actions.data<uint8_t>(), kMaps, kPixels, rewards.data(), valid.data());
  const PixelMatches matches = LabelBatch(labels, 4).Match(actions);
  EXPECT_EQ(matches.rewards.ToVector<float>(), rewards);
  EXPECT_EQ(matches.valid.ToVector<uint8_t>(), valid);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  const PixelMatches on_device = LabelBatch(labels.To(*stream), 4).Match(actions.To(*stream));
  EXPECT_EQ(on_device.rewards.ToVector<float>(), rewards);
  EXPECT_EQ(on_device.valid.ToVector<uint8_t>(), valid);
}

TEST(LabelBatch, Misuse) {
  const Array labels = Array::Zeros({1, 4, 6}, autograd::kUInt8);
  ExpectError([&] { LabelBatch(labels, 256); }, "256 classes");
  LabelBatch batch(labels, 2);
  ExpectError(
      [&] {
        batch.MeanIou(Array::Zeros({2, 1, 5, 6}, autograd::kUInt8), ClassSet::kTruth);
      },
      "maps [2, 1, 5, 6] for labels [1, 4, 6]");
  ExpectError([&] { batch.MeanIou(Array::Zeros({2, 3, 4, 6}, autograd::kUInt8), ClassSet::kTruth); }, "b is 1");
  ExpectError([&] { batch.Match(Array::Zeros({2, 1, 2, 3}, autograd::kUInt8)); }, "h is 4");
}

}  // namespace
}  // namespace seg
