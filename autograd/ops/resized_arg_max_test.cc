#include "autograd/ops/resized_arg_max.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/ops/gather.h"
#include "autograd/ops/resize.h"
#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::RandomArray;

// Each choice has the largest of the resized values up to their rounding, and where no other is as near, is the one.
void ExpectBest(const Array& logits, int64_t height, int64_t width) {
  const int64_t classes = logits.shape()[3];
  const Variable wide = Cast(Variable(logits), kFloat64);
  const std::vector<double> values = ResizeBilinear(wide, height, width).array().ToVector<double>();
  // Four products and their sums, of values below 3.
  const double rounding = 3 * 8 * testing::UnitRoundoff(logits.dtype() == kFloat64 ? kFloat64 : kFloat32);
  testing::OnEachDevice([&] {
    const std::vector<int32_t> chosen = ResizedArgMax(logits.To(Stream::Current()), height, width).ToVector<int32_t>();
    ASSERT_EQ(static_cast<int64_t>(chosen.size()), logits.shape()[0] * height * width);
    int64_t clear = 0;
    for (size_t i = 0; i < chosen.size(); ++i) {
      const double* const of_pixel = values.data() + i * classes;
      const double* const best = std::max_element(of_pixel, of_pixel + classes);
      ASSERT_TRUE(chosen[i] >= 0 && chosen[i] < classes);
      ASSERT_GE(of_pixel[chosen[i]], *best - 2 * rounding) << "pixel " << i << " of " << logits.shape();
      int64_t near = 0;
      for (int64_t k = 0; k < classes; ++k) near += of_pixel[k] >= *best - 2 * rounding ? 1 : 0;
      if (near > 1) continue;
      ASSERT_EQ(chosen[i], best - of_pixel) << "pixel " << i << " of " << logits.shape();
      ++clear;
    }
    EXPECT_GE(2 * clear, static_cast<int64_t>(chosen.size()));
  });
}

TEST(ResizedArgMaxTest, IsTheArgMaxOfResizedLogits) {
  for (const DType dtype : {kFloat32, kFloat64, kBFloat16}) {
    ExpectBest(RandomArray({2, 5, 7, 21}, dtype, RandomKey(1), -3, 3), 20, 28);
    ExpectBest(RandomArray({1, 9, 4, 59}, dtype, RandomKey(2), -3, 3), 33, 40);
    ExpectBest(RandomArray({1, 1, 6, 150}, dtype, RandomKey(3), -3, 3), 3, 13);
    ExpectBest(RandomArray({2, 8, 9, 3}, dtype, RandomKey(4), -3, 3), 4, 5);
    ExpectBest(RandomArray({1, 4, 5, 8}, dtype, RandomKey(5), -3, 3), 4, 5);
  }
}

TEST(ResizedArgMaxTest, TheFirstOfEqualOnes) {
  const Array logits = Array::Full({1, 2, 3, 40}, kFloat32, 0.25);
  testing::OnEachDevice([&] {
    EXPECT_EQ(ResizedArgMax(logits.To(Stream::Current()), 5, 7, kUInt8).ToVector<uint8_t>(),
              std::vector<uint8_t>(35, 0));
  });
}

TEST(ResizedArgMaxTest, OneClassNoImagesAndThreads) {
  EXPECT_EQ(ResizedArgMax(RandomArray({1, 2, 2, 1}, kFloat32, RandomKey(1)), 2, 3, kInt64).ToVector<int64_t>(),
            std::vector<int64_t>(6, 0));
  EXPECT_EQ(ResizedArgMax(Array::Zeros({0, 2, 2, 4}, kFloat32), 4, 4).shape(), Shape({0, 4, 4}));
  const Array logits = RandomArray({2, 7, 6, 11}, kFloat32, RandomKey(6));
  EXPECT_TRUE(testing::SameForThreadCounts([&] { return std::vector<Array>{ResizedArgMax(logits, 30, 25)}; }));
}

TEST(ResizedArgMaxTest, Misuse) {
  const Array logits = Array::Zeros({1, 2, 2, 300}, kFloat32);
  ExpectError([&] { ResizedArgMax(logits, 4, 4, kUInt8); }, "ResizedArgMax: logits [1, 2, 2, 300] have more than 256");
  ExpectError([&] { ResizedArgMax(logits, 4, 4, kFloat32); }, "not float32");
  ExpectError([&] { ResizedArgMax(logits, -1, 4); }, "negative");
  ExpectError([&] { ResizedArgMax(Array::Zeros({1, 0, 2, 3}, kFloat32), 4, 4); }, "nothing to choose from");
  ExpectError([&] { ResizedArgMax(Array::Zeros({2, 2, 3}, kFloat32), 4, 4); }, "ResizedArgMax");
}

}  // namespace
}  // namespace autograd
