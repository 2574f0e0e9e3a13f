#include "seg/rewards/boundary_f.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Shape;
using autograd::testing::ExpectError;

// Blocks of `block` pixels of one value below `values`, and one pixel in `noise` of another; `voids`: one block in five
// is 255.
Array RandomMap(const Shape& shape, int values, int64_t block, uint32_t noise, bool voids, uint64_t seed) {
  std::vector<uint8_t> map(shape.size());
  const int64_t height = shape[shape.rank() - 2], width = shape[-1];
  for (int64_t i = 0; i < shape.size(); ++i) {
    const int64_t x = i % width, y = i / width % height, image = i / (width * height);
    const int64_t cell = (image * height + y / block) * width + x / block;
    const autograd::PhiloxWords of_cell = autograd::Philox(RandomKey(seed), cell),
                                own = autograd::Philox(RandomKey(seed + 1000), i);
    map[i] = static_cast<uint8_t>(
        autograd::UniformBelow(autograd::UniformBelow(own.x, noise) == 0 ? own.y : of_cell.x, values));
    if (voids && autograd::UniformBelow(of_cell.y, 5) == 0) map[i] = 255;
  }
  return Array::From(shape, map);
}

using Pixels = std::vector<std::pair<int64_t, int64_t>>;

// The definition of the header, by sets of pixels and all their pairs.
struct Picture {
  const uint8_t* map;
  const uint8_t* truth;
  int64_t height, width;

  Pixels Boundary(int k) const {
    Pixels boundary;
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        if (truth[y * width + x] == 255 || map[y * width + x] != k) continue;
        bool parts = false;
        const std::pair<int64_t, int64_t> neighbours[] = {{y - 1, x}, {y + 1, x}, {y, x - 1}, {y, x + 1}};
        for (const auto& [i, j] : neighbours) {
          if (i < 0 || i >= height || j < 0 || j >= width || truth[i * width + j] == 255) continue;
          parts = parts || map[i * width + j] != k;
        }
        if (parts) boundary.emplace_back(y, x);
      }
    }
    return boundary;
  }
};

double ShareNear(const Pixels& pixels, const Pixels& others, double radius) {
  if (pixels.empty()) return 0;
  double near = 0;
  for (const auto& [y, x] : pixels) {
    bool any = false;
    for (const auto& [i, j] : others)
      any = any || std::hypot(static_cast<double>(y - i), static_cast<double>(x - j)) <= radius;
    near += any ? 1 : 0;
  }
  return near / static_cast<double>(pixels.size());
}

std::vector<double> ByHand(const Array& maps, const Array& labels, int classes, double radius, ClassSet set) {
  const int64_t images = labels.shape()[0], height = labels.shape()[1], width = labels.shape()[2];
  std::vector<double> scores;
  for (int64_t i = 0; i < maps.shape()[0] * images; ++i) {
    const uint8_t* const truth = labels.data<uint8_t>() + i % images * height * width;
    const uint8_t* const map = maps.data<uint8_t>() + i * height * width;
    double sum = 0, averaged = 0;
    for (int k = 0; k < classes; ++k) {
      const Pixels predicted = Picture{map, truth, height, width}.Boundary(k);
      const Pixels right = Picture{truth, truth, height, width}.Boundary(k);
      if (set == ClassSet::kTruth && right.empty()) continue;
      if (set == ClassSet::kUnion && right.empty() && predicted.empty()) continue;
      averaged += 1;
      const double precision = ShareNear(predicted, right, radius), recall = ShareNear(right, predicted, radius);
      if (precision + recall > 0) sum += 2 * precision * recall / (precision + recall);
    }
    scores.push_back(averaged > 0 ? sum / averaged : 0);
  }
  return scores;
}

std::vector<float> Scores(const Array& maps, const Array& labels, int classes, const BoundaryFOptions& options) {
  return BoundaryF(maps, labels, classes, options).ToVector<float>();
}

// The CPU's scores; those of CUDA's kernels in the emulator are the same bits, whatever the order of the threads.
std::vector<float> OnBoth(const Array& maps, const Array& labels, int classes, const BoundaryFOptions& options) {
  const std::vector<float> scores = Scores(maps, labels, classes, options);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  for (auto order : {cuda_emulator::ThreadOrder::kForward, cuda_emulator::ThreadOrder::kReverse}) {
    cuda_emulator::SetThreadOrder(order);
    EXPECT_EQ(Scores(maps.To(*stream), labels.To(*stream), classes, options), scores);
  }
  cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
  return scores;
}

void ExpectByHand(const Array& maps, const Array& labels, int classes, double radius, ClassSet set) {
  const std::vector<float> scores = OnBoth(maps, labels, classes, {.pixels = radius, .set = set});
  const std::vector<double> expected = ByHand(maps, labels, classes, radius, set);
  ASSERT_EQ(scores.size(), expected.size());
  // A number below 1 that is rounded to float32 once.
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(scores[i], expected[i], 0x1p-24) << labels.shape() << " radius " << radius << " map " << i;
  }
}

// Maps of blocks and of noise; the last value of the maps is no class. Each radius is a distance of pixels exactly, or
// far from any.
TEST(BoundaryF, IsTheDefinitionByHand) {
  constexpr int kClasses = 3;
  for (const auto& [shape, block] : {std::pair<Shape, int64_t>{{2, 17, 23}, 4}, {{1, 30, 11}, 5}, {{3, 5, 6}, 1}}) {
    const Shape several = {2, shape[0], shape[1], shape[2]};
    const Array labels = RandomMap(shape, kClasses, block, 40, true, 1);
    const Array maps = RandomMap(several, kClasses + 1, block, 10, false, 2);
    for (const double radius : {0.0, 0.9, 1.0, 1.5, 2.0, 3.3, 5.0, 40.0}) {
      ExpectByHand(maps, labels, kClasses, radius, ClassSet::kUnion);
    }
    for (const ClassSet set : {ClassSet::kTruth, ClassSet::kAll}) ExpectByHand(maps, labels, kClasses, 1.5, set);
  }
}

TEST(BoundaryF, NarrowImagesAndManyClasses) {
  for (const Shape& shape : {Shape{2, 1, 1}, Shape{2, 1, 19}, Shape{2, 19, 1}, Shape{1, 2, 2}, Shape{1, 70, 65}}) {
    const Shape several = {1, shape[0], shape[1], shape[2]};
    for (const int classes : {1, 2, 255}) {
      ExpectByHand(RandomMap(several, classes, 3, 5, false, 3), RandomMap(shape, classes, 3, 5, true, 4), classes, 1.5,
                   ClassSet::kUnion);
    }
  }
}

// A square of 6 pixels a side, and the same shifted by one to the right. Of the 20 pixels of its rim, 10 stay; of the
// 24 that touch it from outside, 10 do. Where a pixel may be missed by one, all are found.
TEST(BoundaryF, SquaresShiftedByOnePixel) {
  const auto square = [](int64_t left) {
    std::vector<uint8_t> map(20 * 20);
    for (int64_t y = 5; y < 11; ++y) {
      for (int64_t x = left; x < left + 6; ++x) map[y * 20 + x] = 1;
    }
    return map;
  };
  const Array labels = Array::From({1, 20, 20}, square(5)), maps = Array::From({1, 1, 20, 20}, square(6));
  for (const double below : {0.0, 0.999}) {
    EXPECT_FLOAT_EQ(OnBoth(maps, labels, 2, {.pixels = below})[0], (10.0f / 20 + 10.0f / 24) / 2);
  }
  for (const double above : {1.0, 1.4, 30.0}) EXPECT_EQ(OnBoth(maps, labels, 2, {.pixels = above})[0], 1);
  // 0.0075 of 20·√2 pixels is below 1, a twentieth is above.
  EXPECT_FLOAT_EQ(OnBoth(maps, labels, 2, {})[0], (10.0f / 20 + 10.0f / 24) / 2);
  EXPECT_EQ(OnBoth(maps, labels, 2, {.share_of_diagonal = 0.05})[0], 1);
}

// 0.0075 of the 800 pixels of the diagonal are 6, which a rounding must not make less.
TEST(BoundaryF, ToleranceIsAShareOfTheDiagonal) {
  const auto edge = [](int64_t column) {
    std::vector<uint8_t> map(480 * 640);
    for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<int64_t>(i % 640) >= column ? 1 : 0;
    return map;
  };
  const Array labels = Array::From({1, 480, 640}, edge(300));
  EXPECT_EQ(Scores(Array::From({1, 1, 480, 640}, edge(306)), labels, 2, {})[0], 1);
  EXPECT_EQ(Scores(Array::From({1, 1, 480, 640}, edge(307)), labels, 2, {})[0], 0);
}

Array Row(std::vector<uint8_t> values) {
  const auto width = static_cast<int64_t>(values.size());
  return Array::From({1, 1, 1, width}, values);
}
float RowScore(std::vector<uint8_t> map, std::vector<uint8_t> truth, ClassSet set) {
  const auto width = static_cast<int64_t>(truth.size());
  return OnBoth(Row(std::move(map)), Row(std::move(truth)).Reshape({1, 1, width}), 3, {.pixels = 0, .set = set})[0];
}

TEST(BoundaryF, VoidMakesNoBoundary) {
  for (const ClassSet set : {ClassSet::kTruth, ClassSet::kUnion}) {
    EXPECT_EQ(RowScore({0, 0, 1, 1, 1}, {0, 0, 1, 1, 1}, set), 1);
    // The only change of the truth is at a void pixel; so is the map's.
    EXPECT_EQ(RowScore({0, 0, 1, 1, 1}, {0, 0, 255, 1, 1}, set), 0);
    EXPECT_EQ(RowScore({0, 0, 0, 1, 1}, {0, 0, 255, 1, 1}, set), 0);
    // What a map says where the truth is void changes nothing.
    EXPECT_EQ(RowScore({0, 1, 2, 2, 1}, {0, 1, 255, 255, 255}, set), 1);
    EXPECT_EQ(RowScore({0, 1, 0, 255, 7}, {0, 1, 255, 255, 255}, set), 1);
    EXPECT_EQ(RowScore({0, 1, 1}, {255, 255, 255}, set), 0);
  }
}

TEST(BoundaryF, ClassesWithoutBoundary) {
  for (const ClassSet set : {ClassSet::kTruth, ClassSet::kUnion, ClassSet::kAll}) {
    EXPECT_EQ(RowScore({1, 1, 1}, {1, 1, 1}, set), 0);
    EXPECT_EQ(RowScore({1, 1, 1}, {0, 0, 1}, set), 0);
  }
  // Class 2 is in both behind a void pixel, and left out of the mean over those that have a boundary.
  const std::vector<uint8_t> truth = {0, 0, 1, 1, 255, 2, 2};
  EXPECT_EQ(RowScore(truth, truth, ClassSet::kTruth), 1);
  EXPECT_EQ(RowScore(truth, truth, ClassSet::kUnion), 1);
  EXPECT_FLOAT_EQ(RowScore(truth, truth, ClassSet::kAll), 2.0f / 3);
  // The boundary of a class that is not there spoils kUnion alone: classes 0 and 1 have one of their two, or all.
  const float other[] = {RowScore({0, 1, 1, 2}, {0, 1, 1, 1}, ClassSet::kTruth),
                         RowScore({0, 1, 1, 2}, {0, 1, 1, 1}, ClassSet::kUnion)};
  // F_0 = 1; of the map's boundary pixels of class 1 one of two is right, of the truth's the only one: F_1 = 2/3.
  EXPECT_FLOAT_EQ(other[0], (1 + 2.0f / 3) / 2);
  EXPECT_FLOAT_EQ(other[1], (1 + 2.0f / 3) / 3);
}

TEST(BoundaryF, NoMapsAndNoPixels) {
  EXPECT_EQ(OnBoth(Array::Zeros({0, 2, 3, 3}, autograd::kUInt8), Array::Zeros({2, 3, 3}, autograd::kUInt8), 2, {}),
            std::vector<float>());
  EXPECT_EQ(OnBoth(Array::Zeros({1, 2, 0, 3}, autograd::kUInt8), Array::Zeros({2, 0, 3}, autograd::kUInt8), 2, {}),
            (std::vector<float>{0, 0}));
}

TEST(BoundaryF, SameForAnyThreadCount) {
  const Array labels = RandomMap({3, 133, 57}, 5, 9, 30, true, 1),
              maps = RandomMap({2, 3, 133, 57}, 5, 9, 30, false, 2);
  EXPECT_TRUE(autograd::testing::SameForThreadCounts(
      [&] { return std::vector<Array>{BoundaryF(maps, labels, 5, {.pixels = 2})}; }));
}

TEST(BoundaryF, Misuse) {
  const Array labels = Array::Zeros({1, 4, 6}, autograd::kUInt8), maps = Array::Zeros({2, 1, 4, 6}, autograd::kUInt8);
  ExpectError([&] { BoundaryF(maps, labels, 256); }, "BoundaryF: 256 classes");
  ExpectError([&] { BoundaryF(maps, labels, 2, {.pixels = -1}); }, "BoundaryF: the tolerance is -1 pixels");
  ExpectError([&] { BoundaryF(maps, labels, 2, {.share_of_diagonal = std::numeric_limits<double>::quiet_NaN()}); },
              "the tolerance is nan pixels");
  ExpectError([&] { BoundaryF(maps, Array::Zeros({1, 5, 6}, autograd::kUInt8), 2); }, "h is 4");
  ExpectError([&] { BoundaryF(maps, Array::Zeros({1, 4, 6}, autograd::kInt32), 2); }, "labels must be uint8");
  ExpectError(
      [&] {
        BoundaryF(maps, Array::Full({1, 4, 6}, autograd::kUInt8, 2), 2);
      },
      "BoundaryF: label 2 of pixel 0 in [1, 4, 6] is neither void nor one of the 2 classes");
}

}  // namespace
}  // namespace seg
