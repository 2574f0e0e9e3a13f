#include "rl/rss/scales.h"

#include <gtest/gtest.h>

#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Variable;
using autograd::testing::Inputs;
using autograd::testing::OpCase;

std::vector<int64_t> StridesAt(const std::vector<RewardScale>& scales, double progress) {
  std::vector<int64_t> strides;
  for (const RewardScale& scale : scales) {
    if (scale.ActiveAt(progress)) strides.push_back(scale.stride);
  }
  return strides;
}

TEST(ScalesTest, AllAtOnce) {
  for (double progress : {0.0, 0.5, 1.0})
    EXPECT_EQ(StridesAt(DefaultScales(), progress), (std::vector<int64_t>{64, 32, 16, 8, 4}));
}

TEST(ScalesTest, CoarseToFineJoinsInEqualSteps) {
  const std::vector<RewardScale> scales = CoarseToFine({4, 16, 8}, 0.5);
  EXPECT_EQ(StridesAt(scales, 0.0), (std::vector<int64_t>{16}));
  EXPECT_EQ(StridesAt(scales, 0.24), (std::vector<int64_t>{16}));
  EXPECT_EQ(StridesAt(scales, 0.25), (std::vector<int64_t>{16, 8}));
  EXPECT_EQ(StridesAt(scales, 0.5), (std::vector<int64_t>{16, 8, 4}));
  EXPECT_EQ(StridesAt(scales, 1.0), (std::vector<int64_t>{16, 8, 4}));
  EXPECT_EQ(StridesAt(CoarseToFine({8}), 0.0), (std::vector<int64_t>{8}));
}

TEST(ScalesTest, AScaleMayEnd) {
  const std::vector<RewardScale> scales = {{8, 1, 0, 0.5}, {1, 1, 0.5, 1}};
  EXPECT_EQ(StridesAt(scales, 0.49), (std::vector<int64_t>{8}));
  EXPECT_EQ(StridesAt(scales, 0.5), (std::vector<int64_t>{1}));
}

TEST(ScalesTest, GridExtentRoundsUp) {
  EXPECT_EQ(GridExtent(512, 64), 8);
  EXPECT_EQ(GridExtent(513, 64), 9);
  EXPECT_EQ(GridExtent(90, 32), 3);
  EXPECT_EQ(GridExtent(7, 64), 1);
}

OpCase GridCase(const char* name, int64_t height, int64_t width) {
  return OpCase{name, [=](Inputs x) { return OnGrid(x[0], height, width); }, {{{2, 6, 8, 3}}}};
}
OP_CONTRACT(OnGrid, GridCase("Coarser", 3, 4), GridCase("Uneven", 4, 3), GridCase("Finer", 12, 16),
            GridCase("CoarserAndFiner", 3, 16));

TEST(OnGridTest, AveragesCellsAndKeepsItsOwnGrid) {
  const Variable logits(Array::From<float>({1, 2, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(OnGrid(logits, 1, 2).array().ToVector<float>(), (std::vector<float>{3.5, 5.5}));
  EXPECT_TRUE(OnGrid(logits, 2, 4).array().SharesStorageWith(logits.array()));
}

TEST(ValidCellsTest, ACellCountsWhenOnePixelDoes) {
  const Array valid = Array::From<uint8_t>({1, 2, 5}, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  // Columns 0 … 2 show cell 0, columns 3 and 4 cell 1.
  EXPECT_EQ(ValidCells(valid, 1, 2).ToVector<uint8_t>(), (std::vector<uint8_t>{0, 1}));
  EXPECT_EQ(ValidCells(valid, 2, 5).ToVector<uint8_t>(), valid.ToVector<uint8_t>());
}

TEST(ValidCellsTest, CudaInTheEmulatorGivesTheSame) {
  std::vector<uint8_t> pixels(2 * 17 * 23);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = autograd::Philox(autograd::RandomKey(1), i).x % 16 == 0;
  const Array valid = Array::From({2, 17, 23}, pixels);
  const std::vector<uint8_t> expected = ValidCells(valid, 4, 6).ToVector<uint8_t>();
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  EXPECT_EQ(ValidCells(valid.To(*stream), 4, 6).ToVector<uint8_t>(), expected);
}

}  // namespace
}  // namespace rl
