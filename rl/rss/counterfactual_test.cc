#include "rl/rss/counterfactual.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::RandomKey;

constexpr int64_t kMaps = 6, kImages = 3, kHeight = 10, kWidth = 20, kCells = kHeight * kWidth;

// Draw i of an image shows the class i everywhere, so that a result tells where each cell came from.
Array Draws(int64_t images = kImages) {
  std::vector<uint8_t> draws;
  for (int64_t i = 0; i < kMaps; ++i) draws.insert(draws.end(), images * kCells, static_cast<uint8_t>(i));
  return Array::From({kMaps, images, kHeight, kWidth}, draws);
}

TEST(CounterfactualTest, IndependentDrawsStay) {
  const Array draws = Draws();
  EXPECT_TRUE(CounterfactualGroup(draws, {}, RandomKey(1)).SharesStorageWith(draws));
}

TEST(CounterfactualTest, CellsAreResampledAtTheRate) {
  const std::vector<uint8_t> group =
      CounterfactualGroup(Draws(), {Variation::kCells, 0.2}, RandomKey(1)).ToVector<uint8_t>();
  EXPECT_TRUE(std::all_of(group.begin(), group.begin() + kImages * kCells, [](uint8_t a) { return a == 0; }))
      << "the base changed";
  int64_t resampled = 0;
  for (int64_t i = kImages * kCells; i < kMaps * kImages * kCells; ++i) {
    const auto own = static_cast<uint8_t>(i / (kImages * kCells));
    ASSERT_TRUE(group[i] == 0 || group[i] == own);
    resampled += group[i] == own;
  }
  const double total = (kMaps - 1) * kImages * kCells;
  EXPECT_NEAR(resampled / total, 0.2, 4 * std::sqrt(0.2 * 0.8 / total));
}

TEST(CounterfactualTest, ABlockIsARectangleOfTheRatesArea) {
  const std::vector<uint8_t> group =
      CounterfactualGroup(Draws(), {Variation::kBlock, 0.16}, RandomKey(1)).ToVector<uint8_t>();
  for (int64_t map = 1; map < kMaps; ++map) {
    for (int64_t image = 0; image < kImages; ++image) {
      const uint8_t* cells = group.data() + (map * kImages + image) * kCells;
      int64_t top = kHeight, bottom = -1, left = kWidth, right = -1, count = 0;
      for (int64_t i = 0; i < kCells; ++i) {
        if (cells[i] == 0) continue;
        ++count;
        top = std::min(top, i / kWidth);
        bottom = std::max(bottom, i / kWidth);
        left = std::min(left, i % kWidth);
        right = std::max(right, i % kWidth);
      }
      EXPECT_EQ(bottom - top + 1, 4);
      EXPECT_EQ(right - left + 1, 8);
      EXPECT_EQ(count, 32);
    }
  }
}

TEST(CounterfactualTest, ChoicesBelongToTheImageNotToTheBatch) {
  for (Variation variation : {Variation::kCells, Variation::kBlock}) {
    const std::vector<uint8_t> all = CounterfactualGroup(Draws(3), {variation, 0.2}, RandomKey(1)).ToVector<uint8_t>();
    const std::vector<uint8_t> last =
        CounterfactualGroup(Draws(1), {variation, 0.2}, RandomKey(1), 2).ToVector<uint8_t>();
    for (int64_t map = 0; map < kMaps; ++map) {
      EXPECT_TRUE(std::equal(last.begin() + map * kCells, last.begin() + (map + 1) * kCells,
                             all.begin() + (map * 3 + 2) * kCells));
    }
  }
}

TEST(CounterfactualTest, CudaInTheEmulatorChoosesTheSame) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (Variation variation : {Variation::kCells, Variation::kBlock}) {
    const std::vector<uint8_t> expected =
        CounterfactualGroup(Draws(), {variation, 0.2}, RandomKey(1), 7).ToVector<uint8_t>();
    autograd::StreamScope scope(*stream);
    EXPECT_EQ(CounterfactualGroup(Draws().To(*stream), {variation, 0.2}, RandomKey(1), 7).ToVector<uint8_t>(),
              expected);
  }
}

TEST(CounterfactualTest, Misuse) {
  autograd::testing::ExpectError(
      [] {
        CounterfactualGroup(Draws(), {Variation::kCells, 0.0}, RandomKey(1));
      },
      "rate is 0");
}

}  // namespace
}  // namespace rl
