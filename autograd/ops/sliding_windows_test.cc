#include "autograd/ops/sliding_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/same_bits.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OnEachDevice;
using testing::OpCase;
using testing::RandomArray;

using Places = std::vector<WindowPlace>;

Array MeanOfWindows(const Array& scores, const Places& places, int64_t height, int64_t width, const Shape& shape) {
  Array sums = Array::Zeros(shape, scores.dtype());
  Array coverage = Array::Zeros({shape[0], shape[1], shape[2]}, kInt32);
  AddWindows(scores, places, height, width, sums, coverage);
  DivideByCoverage(coverage, sums);
  return sums;
}

// In bfloat16 every window that a pixel has rounds its sum once more; the contract knows results that are rounded once.
OpCase Windows(const std::string& name, Shape scores, Places places, int64_t height, int64_t width, Shape shape) {
  return OpCase{name,
                [=](Inputs x) { return Variable(MeanOfWindows(x[0].array(), places, height, width, shape)); },
                {{.shape = scores, .differentiable = false}},
                1e-6,
                1e-5,
                /*bfloat16=*/places.size() <= 1};
}

// `count` windows of 5 x 4 at places without an order.
Places Scattered(int64_t count, int64_t images, int64_t rows, int64_t columns) {
  Places places;
  for (int64_t w = 0; w < count; ++w) places.push_back({w * 7 % images, w * 11 % (rows - 4), w * 5 % (columns - 3)});
  return places;
}

OP_CONTRACT(SlidingWindows, Windows("One", {1, 3, 4, 5}, {{0, 0, 0}}, 3, 4, {1, 3, 4, 5}),
            Windows("PackedChannels", {2, 3, 4, 8}, {{0, 0, 0}, {0, 1, 2}}, 3, 4, {1, 4, 6, 8}),
            Windows("OneChannel", {2, 3, 4, 1}, {{0, 0, 0}, {0, 1, 2}}, 3, 4, {1, 4, 6, 1}),
            Windows("PaddingIsLeftOut", {2, 8, 8, 3}, {{0, 0, 1}, {0, 0, 0}}, 5, 6, {1, 5, 7, 3}),
            Windows("SeveralImages", {4, 3, 3, 4}, {{1, 0, 0}, {0, 1, 1}, {2, 2, 0}, {1, 1, 1}}, 3, 3, {3, 5, 4, 4}),
            // More than one launch on CUDA.
            Windows("ManyWindows", {150, 5, 4, 4}, Scattered(150, 2, 11, 9), 5, 4, {2, 11, 9, 4}),
            Windows("ManyChannels", {3, 5, 4, 301}, Scattered(3, 1, 8, 8), 5, 4, {1, 8, 8, 301}),
            Windows("NoWindows", {0, 3, 4, 2}, {}, 3, 4, {1, 3, 4, 2}),
            Windows("NoRows", {1, 3, 4, 2}, {{0, 0, 0}}, 0, 4, {1, 3, 4, 2}));

// Powers of two: a pixel's sum says which windows it has, whatever was added first.
TEST(SlidingWindowsTest, EachPixelHasItsWindows) {
  OnEachDevice([] {
    const Shape shape{2, 7, 6, 4};
    const Places places = {{0, 0, 0}, {0, 2, 1}, {1, 4, 3}, {0, 4, 3}, {0, 1, 1}};
    const int64_t height = 3, width = 3;
    std::vector<float> values;
    for (size_t w = 0; w < places.size(); ++w) {
      for (int64_t i = 0; i < 4 * 5; ++i) {
        const bool padding = i / 5 >= height || i % 5 >= width;
        for (int k = 0; k < 4; ++k) values.push_back(padding ? 1e9f : static_cast<float>((1 << w) * (k + 1)));
      }
    }
    Array sums = Array::Zeros(shape, kFloat32), coverage = Array::Zeros({2, 7, 6}, kInt32);
    AddWindows(Array::From<float>({5, 4, 5, 4}, values), places, height, width, sums, coverage);
    const std::vector<float> found = sums.ToVector<float>();
    const std::vector<int32_t> counts = coverage.ToVector<int32_t>();
    DivideByCoverage(coverage, sums);
    const std::vector<float> means = sums.ToVector<float>();
    for (int64_t pixel = 0; pixel < 2 * 7 * 6; ++pixel) {
      const int64_t image = pixel / 42, y = pixel / 6 % 7, x = pixel % 6;
      int sum = 0, count = 0;
      for (size_t w = 0; w < places.size(); ++w) {
        const bool inside = places[w].image == image && y >= places[w].top && y < places[w].top + height &&
                            x >= places[w].left && x < places[w].left + width;
        sum += inside ? 1 << w : 0;
        count += inside ? 1 : 0;
      }
      ASSERT_EQ(counts[pixel], count) << image << " " << y << " " << x;
      for (int k = 0; k < 4; ++k) {
        ASSERT_EQ(found[pixel * 4 + k], static_cast<float>(sum * (k + 1))) << image << " " << y << " " << x;
        const float mean = count == 0 ? 0.0f : static_cast<float>(sum * (k + 1)) / static_cast<float>(count);
        ASSERT_EQ(means[pixel * 4 + k], mean) << image << " " << y << " " << x;
      }
    }
  });
}

// Floating sums depend on the order, and the order is that of the windows.
TEST(SlidingWindowsTest, TheSameBitsInOneCallOrMany) {
  OnEachDevice([] {
    for (DType dtype : {kFloat32, kBFloat16}) {
      const Shape shape{2, 11, 9, 4};
      const Places places = Scattered(150, 2, 11, 9);
      const Array scores = RandomArray({150, 5, 4, 4}, dtype, RandomKey(3), -100, 1);
      const Array together = MeanOfWindows(scores, places, 5, 4, shape);
      Array sums = Array::Zeros(shape, dtype), coverage = Array::Zeros({2, 11, 9}, kInt32);
      for (int64_t begin = 0; begin < 150; begin += 40) {
        const int64_t end = std::min<int64_t>(begin + 40, 150);
        AddWindows(scores.Slice(begin, end), Places(places.begin() + begin, places.begin() + end), 5, 4, sums,
                   coverage);
      }
      DivideByCoverage(coverage, sums);
      EXPECT_TRUE(testing::SameBits(sums, together)) << Name(dtype);
    }
  });
}

TEST(SlidingWindowsTest, TheSameBitsForEveryThreadCount) {
  const Shape shape{1, 200, 150, 12};
  const Array scores = RandomArray({5, 120, 90, 12}, kFloat32, RandomKey(4));
  const Places places = {{0, 0, 0}, {0, 80, 60}, {0, 40, 30}, {0, 0, 60}, {0, 80, 0}};
  EXPECT_TRUE(testing::SameForThreadCounts(
      [&] { return std::vector<Array>{MeanOfWindows(scores, places, 120, 90, shape)}; }, {2, 3, 7}));
}

TEST(SlidingWindowsTest, Misuse) {
  Array sums = Array::Zeros({1, 4, 5, 3}, kFloat32), coverage = Array::Zeros({1, 4, 5}, kInt32);
  const Array scores = Array::Zeros({1, 2, 3, 3}, kFloat32);
  const auto add = [&](const Array& x, const Places& places, int64_t height, int64_t width) {
    AddWindows(x, places, height, width, sums, coverage);
  };
  ExpectError(
      [&] {
        add(scores, {{0, 3, 0}}, 2, 3);
      },
      "AddWindows: a window of 2 x 3 at row 3 and column 0 of image 0 is not inside sums [1, 4, 5, 3]");
  ExpectError([&] { add(scores, {{0, 0, 3}}, 2, 3); }, "at row 0 and column 3 of image 0 is not inside");
  ExpectError([&] { add(scores, {{0, -1, 0}}, 2, 3); }, "at row -1");
  ExpectError([&] { add(scores, {{1, 0, 0}}, 2, 3); }, "of image 1 is not inside");
  ExpectError([&] { add(scores, {{0, 0, 0}}, 3, 3); }, "AddWindows: windows of 3 x 3 in scores [1, 2, 3, 3]");
  ExpectError([&] { add(scores, {}, 2, 3); }, "AddWindows: 0 places for scores [1, 2, 3, 3]");
  ExpectError([&] { add(Array::Zeros({1, 2, 3, 4}, kFloat32), {{0, 0, 0}}, 2, 3); }, "k is 4 in scores");
  ExpectError([&] { add(Array::Zeros({1, 2, 3, 3}, kFloat64), {{0, 0, 0}}, 2, 3); }, "float64");
  ExpectError([&] { DivideByCoverage(Array::Zeros({1, 4, 4}, kInt32), sums); }, "w is 5 in sums");
  ExpectError([&] { DivideByCoverage(Array::Zeros({1, 4, 5}, kFloat32), sums); }, "DivideByCoverage");
}

}  // namespace
}  // namespace autograd
