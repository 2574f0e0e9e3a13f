#include "autograd/ops/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OnEachDevice;
using testing::OpCase;

// Distinct values, so that no maximum changes hands inside a difference quotient.
OpCase Maximum(const std::string& name, Shape shape, int64_t kernel, int64_t stride, int64_t padding) {
  return OpCase{name,
                [=](Inputs x) { return MaxPool2d(x[0], kernel, stride, padding); },
                {InputSpec{.shape = shape, .separation = 0.01}}};
}

OpCase Average(const std::string& name, Shape shape, int64_t kernel, int64_t stride, int64_t padding) {
  return OpCase{name, [=](Inputs x) { return AveragePool2d(x[0], kernel, stride, padding); }, {{shape}}, 1e-6, 1e-4,
                true};
}

OpCase Adaptive(const std::string& name, Shape shape, int64_t height, int64_t width) {
  return OpCase{name, [=](Inputs x) { return AdaptiveAveragePool2d(x[0], height, width); }, {{shape}}, 1e-6, 1e-4,
                true};
}

OP_CONTRACT(Pooling, Maximum("MaximumOfStem", {2, 7, 8, 3}, 3, 2, 1), Maximum("MaximumApart", {1, 6, 9, 5}, 2, 3, 0),
            Maximum("MaximumWholeImage", {2, 3, 3, 67}, 3, 1, 0), Maximum("MaximumOverlapping", {1, 5, 7, 2}, 4, 1, 2),
            Maximum("MaximumOfOnePixel", {1, 1, 1, 1}, 3, 2, 1), Maximum("MaximumNoImages", {0, 4, 4, 3}, 2, 2, 0),
            Maximum("MaximumManyChannels", {1, 4, 4, 131}, 3, 2, 1), Average("AverageHalf", {2, 6, 8, 3}, 2, 2, 0),
            Average("AverageSame", {1, 5, 7, 11}, 3, 1, 1), Average("AverageApart", {1, 7, 7, 2}, 2, 3, 0),
            Average("AverageOfOnePixel", {1, 1, 1, 4}, 1, 1, 0), Average("AverageNoChannels", {1, 4, 4, 0}, 2, 2, 0),
            // Distinct in bfloat16, too.
            OpCase{"MaximumPacks",
                   [](Inputs x) { return MaxPool2d(x[0], 3, 2, 1); },
                   {InputSpec{.shape = {1, 4, 4, 16}, .separation = 1}},
                   1e-6,
                   1e-4,
                   true},
            Adaptive("AdaptiveTall", {1, 40, 6, 8}, 2, 5), Adaptive("AdaptiveSix", {2, 13, 17, 3}, 6, 6),
            Adaptive("AdaptiveOne", {2, 5, 7, 8}, 1, 1), Adaptive("AdaptiveLargerThanImage", {1, 2, 3, 2}, 5, 7),
            Adaptive("AdaptiveOddSizes", {1, 11, 5, 1}, 3, 2),
            OpCase{"Global", [](Inputs x) { return GlobalAveragePool(x[0]); }, {{{2, 3, 5, 7}}}, 1e-6, 1e-4, true});

Variable Image(int64_t height, int64_t width) {
  std::vector<float> values;
  for (int64_t i = 0; i < height * width; ++i) values.push_back(static_cast<float>(i));
  return Variable(Array::From({1, height, width, 1}, values));
}

TEST(PoolingTest, MaximumValues) {
  OnEachDevice([] {
    const Variable y = MaxPool2d(Image(4, 5), 3, 2, 1);
    EXPECT_EQ(y.shape(), Shape({1, 2, 3, 1}));
    EXPECT_EQ(y.array().ToVector<float>(), (std::vector<float>{6, 8, 9, 16, 18, 19}));
  });
}

TEST(PoolingTest, PaddingIsBelowEveryValue) {
  OnEachDevice([] {
    const Variable y = MaxPool2d(Variable(Array::Full({1, 2, 2, 1}, kFloat32, -7)), 3, 1, 1);
    EXPECT_EQ(y.array().ToVector<float>(), (std::vector<float>(4, -7)));
  });
}

TEST(PoolingTest, GradientGoesToTheFirstOfEqualMaxima) {
  OnEachDevice([] {
    Tape tape;
    const Variable x = tape.Watch(Array::Full({1, 2, 2, 1}, kFloat32, 3));
    tape.Backward(MaxPool2d(x, 2, 2, 0));
    EXPECT_EQ(tape.Gradient(x).ToVector<float>(), (std::vector<float>{1, 0, 0, 0}));
  });
}

TEST(PoolingTest, MaximumKeepsInfinitiesAndNan) {
  OnEachDevice([] {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y =
        MaxPool2d(Variable(Array::From<float>({1, 1, 4, 1}, {-infinity, -infinity, nan, 5})), 1, 1, 0)
            .array()
            .ToVector<float>();
    EXPECT_EQ(y[0], -infinity);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_TRUE(std::isnan(MaxPool2d(Variable(Array::From<float>({1, 2, 2, 1}, {1, nan, 7, 2})), 2, 2, 0).Item()));
  });
}

TEST(PoolingTest, AverageValues) {
  OnEachDevice([] {
    EXPECT_EQ(AveragePool2d(Image(2, 4), 2, 2, 0).array().ToVector<float>(), (std::vector<float>{2.5, 4.5}));
    // The divisor counts the padding: 3 of 4 rows and columns of zeros.
    const std::vector<float> y =
        AveragePool2d(Variable(Array::Full({1, 2, 2, 1}, kFloat32, 1)), 2, 2, 1).array().ToVector<float>();
    EXPECT_EQ(y, (std::vector<float>(4, 0.25f)));
  });
}

TEST(PoolingTest, AdaptiveBins) {
  OnEachDevice([] {
    // Five pixels in three bins: [0, 2), [1, 4), [3, 5).
    const std::vector<float> row = AdaptiveAveragePool2d(Image(1, 5), 1, 3).array().ToVector<float>();
    EXPECT_FLOAT_EQ(row[0], 0.5f);
    EXPECT_FLOAT_EQ(row[1], 2.0f);
    EXPECT_FLOAT_EQ(row[2], 3.5f);
  });
}

TEST(PoolingTest, AdaptiveOneIsTheGlobalMean) {
  const Variable x(testing::RandomArray({2, 9, 11, 5}, kFloat32, RandomKey(4)));
  EXPECT_EQ(GlobalAveragePool(x).shape(), Shape({2, 1, 1, 5}));
  EXPECT_TRUE(testing::AllClose(AdaptiveAveragePool2d(x, 1, 1).array(), GlobalAveragePool(x).array(), 1e-5));
}

TEST(PoolingTest, EvaluationSavesNoArguments) {
  const int64_t before = Allocator::Cpu().Statistics().allocations;
  const Variable y = MaxPool2d(Image(8, 8), 2, 2, 0);
  EXPECT_EQ(Allocator::Cpu().Statistics().allocations - before, 2);  // the image and y
}

TEST(PoolingTest, SameForAnyThreadCount) {
  const Array x = testing::RandomArray({2, 33, 35, 16}, kFloat32, RandomKey(5));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x);
    const Variable y = MaxPool2d(v, 3, 2, 1);
    tape.Backward(y, y.array());
    return std::vector<Array>{tape.Gradient(v)};
  }));
}

TEST(PoolingTest, Misuse) {
  const Variable x(Array::Zeros({1, 4, 4, 2}, kFloat32));
  ExpectError([&] { MaxPool2d(x, 2, 0, 0); }, "MaxPool2d: kernel 2, stride 0, padding 0");
  ExpectError([&] { MaxPool2d(x, 2, 2, 2); }, "0 <= padding <= kernel / 2");
  ExpectError([&] { MaxPool2d(x, 7, 2, 1); }, "MaxPool2d: x [1, 4, 4, 2] is smaller than the kernel 7");
  ExpectError(
      [] {
        MaxPool2d(Variable(Array::Zeros({1, 20, 20, 2}, kFloat32)), 17, 1, 0);
      },
      "MaxPool2d: kernel 17 is above 16");
  ExpectError([&] { AveragePool2d(x, 5, 1, 0); }, "AveragePool2d: x [1, 4, 4, 2] is smaller than the kernel 5");
  ExpectError([&] { AdaptiveAveragePool2d(x, 0, 1); },
              "AdaptiveAveragePool2d: needs at least one row and column, not 0 x 1");
  ExpectError(
      [] {
        GlobalAveragePool(Variable(Array::Zeros({4, 2}, kFloat32)));
      },
      "GlobalAveragePool: x has shape [4, 2]");
  ExpectError(
      [] {
        MaxPool2d(Variable(Array::Zeros({1, 4, 4, 2}, kUInt8)), 2, 2, 0);
      },
      "needs a floating dtype, not uint8");
}

}  // namespace
}  // namespace autograd
