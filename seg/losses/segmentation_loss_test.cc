#include "seg/losses/segmentation_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "autograd/testing/op_contract.h"

namespace seg {
namespace {

using autograd::Array;

// Logits of one row, 0 … l of class 1, become 0, l/4, 3l/4, l when the width doubles; class 0 stays at 0.
TEST(SegmentationLoss, ResizesThenAveragesOverLabelledPixels) {
  const double l = 2;
  const Array logits = Array::From({1, 1, 2, 2}, std::vector<float>{0, 0, 0, 2});
  const Array labels = Array::From({1, 1, 4}, std::vector<uint8_t>{0, 1, 255, 1});
  const auto entropy = [](double one, int label) { return std::log(1 + std::exp(one)) - (label == 1 ? one : 0); };
  const double sum = entropy(0, 0) + entropy(l / 4, 1) + entropy(l, 1);
  EXPECT_NEAR(SegmentationLoss(logits, labels).Item(), sum / 3, 1e-6);
  EXPECT_NEAR(SegmentationLoss(logits, labels, {.mean = autograd::PixelMean::kOverAll}).Item(), sum / 4, 1e-6);
  const Array nothing = Array::From({1, 1, 4}, std::vector<uint8_t>(4, 255));
  EXPECT_EQ(SegmentationLoss(logits, nothing).Item(), 0);
}

// The same four pixels, of which class 1 weighs three times as much.
TEST(SegmentationLoss, ClassWeights) {
  const Array logits = Array::From({1, 1, 2, 2}, std::vector<float>{0, 0, 0, 2});
  const Array labels = Array::From({1, 1, 4}, std::vector<uint8_t>{0, 1, 255, 1});
  const Array weights = Array::From({2}, std::vector<float>{0.5, 1.5});
  const auto entropy = [](double one, int label) { return std::log(1 + std::exp(one)) - (label == 1 ? one : 0); };
  const double sum = 0.5 * entropy(0, 0) + 1.5 * entropy(0.5, 1) + 1.5 * entropy(2, 1);
  EXPECT_NEAR(SegmentationLoss(logits, labels, {.class_weights = weights}).Item(), sum / 3.5, 1e-6);
}

TEST(SegmentationLoss, NamesShapesThatDoNotFit) {
  autograd::testing::ExpectError(
      [] {
        SegmentationLoss(Array::Zeros({2, 4, 4, 3}, autograd::kFloat32), Array::Zeros({1, 8, 8}, autograd::kUInt8));
      },
      "SegmentationLoss: n is 2 in logits");
}

}  // namespace
}  // namespace seg
