#include "autograd/ops/resize.h"

#include <gtest/gtest.h>

#include <numeric>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OnEachDevice;
using testing::OpCase;

enum class Method { kNearest, kNearestExact, kBilinear, kAligned, kBicubic, kAntialiased };

Variable Resize(Method method, const Variable& x, int64_t height, int64_t width) {
  switch (method) {
    case Method::kNearest:
      return ResizeNearest(x, height, width);
    case Method::kNearestExact:
      return ResizeNearestExact(x, height, width);
    case Method::kBilinear:
      return ResizeBilinear(x, height, width);
    case Method::kAligned:
      return ResizeBilinear(x, height, width, true);
    case Method::kBicubic:
      return ResizeBicubic(x, height, width);
    case Method::kAntialiased:
      return ResizeBicubic(x, height, width, true);
  }
  return {};
}

OpCase Case(const std::string& name, Method method, Shape shape, int64_t height, int64_t width) {
  return OpCase{name, [=](Inputs x) { return Resize(method, x[0], height, width); }, {{shape}}, 1e-6, 1e-4, true};
}

OP_CONTRACT(Resize, Case("BilinearUp", Method::kBilinear, {2, 5, 7, 3}, 20, 28),
            Case("BilinearUpOdd", Method::kBilinear, {1, 4, 5, 19}, 11, 13),
            Case("BilinearDown", Method::kBilinear, {2, 13, 11, 9}, 5, 3),
            Case("BilinearTallerNarrower", Method::kBilinear, {1, 4, 9, 5}, 11, 4),
            Case("BilinearFromOnePixel", Method::kBilinear, {3, 1, 1, 2}, 4, 5),
            Case("BilinearToOnePixel", Method::kBilinear, {1, 6, 5, 2}, 1, 1),
            Case("BilinearTall", Method::kBilinear, {1, 3, 9, 8}, 24, 7),
            Case("BilinearUpPacks", Method::kBilinear, {2, 4, 5, 16}, 9, 13),
            Case("BilinearSame", Method::kBilinear, {1, 3, 4, 2}, 3, 4),
            Case("BilinearNoImages", Method::kBilinear, {0, 3, 4, 2}, 6, 8),
            Case("BilinearNoChannels", Method::kBilinear, {1, 3, 4, 0}, 6, 8),
            Case("BilinearManyChannels", Method::kBilinear, {1, 3, 3, 301}, 7, 5),
            Case("BilinearWideStep", Method::kBilinear, {1, 2, 2, 300}, 16, 16),
            Case("BilinearTwice", Method::kBilinear, {2, 5, 7, 3}, 10, 14),
            Case("BilinearTwicePacks", Method::kBilinear, {2, 4, 5, 16}, 8, 10),
            Case("BilinearTwiceManyChannels", Method::kBilinear, {1, 3, 2, 2056}, 6, 4),
            Case("BilinearTwiceOnePixel", Method::kBilinear, {3, 1, 1, 2}, 2, 2),
            Case("BilinearTwiceOneRow", Method::kBilinear, {2, 1, 6, 8}, 2, 12),
            Case("BilinearTwiceOneColumn", Method::kBilinear, {2, 6, 1, 8}, 12, 2),
            Case("BilinearTwiceAsTall", Method::kBilinear, {2, 5, 7, 8}, 10, 7),
            Case("AlignedTwice", Method::kAligned, {2, 4, 5, 8}, 8, 10),
            Case("AlignedUp", Method::kAligned, {1, 5, 4, 3}, 9, 13),
            Case("AlignedDown", Method::kAligned, {2, 9, 13, 3}, 4, 5),
            Case("AlignedToOnePixel", Method::kAligned, {1, 3, 3, 2}, 1, 1),
            Case("NearestUp", Method::kNearest, {2, 3, 5, 4}, 7, 10),
            Case("NearestDown", Method::kNearest, {1, 7, 11, 3}, 3, 4),
            Case("NearestPacks", Method::kNearest, {2, 3, 5, 16}, 7, 4),
            Case("NearestPlane", Method::kNearest, {2, 7, 5}, 14, 3),
            Case("NearestExactUp", Method::kNearestExact, {2, 3, 5, 4}, 7, 10),
            Case("NearestExactDownPacks", Method::kNearestExact, {1, 7, 11, 8}, 3, 4),
            Case("NearestExactPlane", Method::kNearestExact, {2, 7, 5}, 3, 9),
            Case("BicubicUp", Method::kBicubic, {1, 4, 5, 3}, 9, 8),
            Case("BicubicDown", Method::kBicubic, {1, 11, 9, 3}, 4, 5),
            Case("BicubicFromOneRow", Method::kBicubic, {1, 1, 2, 3}, 3, 5),
            Case("AntialiasedUp", Method::kAntialiased, {1, 4, 5, 3}, 9, 8),
            Case("AntialiasedDownPacks", Method::kAntialiased, {1, 9, 12, 8}, 5, 5),
            Case("AntialiasedDown", Method::kAntialiased, {2, 17, 13, 5}, 4, 3));

struct Row {
  Method method;
  int64_t size;
  std::vector<double> expected;
};

// Hand-evaluated rows of [0, 1, 4, 9]: the formulas of PyTorch's interpolate for each method.
TEST(ResizeTest, Rows) {
  const std::vector<Row> rows = {
      {Method::kBilinear, 6, {0, 0.5, 1.5, 3.5, 6.5, 9}},
      {Method::kBilinear, 3, {0.166667, 2.5, 8.166667}},
      {Method::kAligned, 7, {0, 0.5, 1, 2.5, 4, 6.5, 9}},
      {Method::kAligned, 2, {0, 9}},
      {Method::kNearest, 6, {0, 0, 1, 4, 4, 9}},
      {Method::kNearest, 3, {0, 1, 4}},
      {Method::kNearestExact, 6, {0, 1, 1, 4, 9, 9}},
      {Method::kNearestExact, 3, {0, 4, 9}},
      {Method::kNearestExact, 2, {1, 9}},
      {Method::kBicubic, 6, {-0.086806, 0.218750, 1.430556, 3.152778, 6.781250, 9.434028}},
      {Method::kBicubic, 3, {0.091435, 2.125, 8.334491}},
      {Method::kAntialiased, 6, {-0.065789, 0.294118, 1.361111, 3.361111, 6.823529, 9.328947}},
      {Method::kAntialiased, 3, {0.075515, 2.359195, 7.935927}},
  };
  const Variable x(Array::From<float>({1, 1, 4, 1}, {0, 1, 4, 9}));
  const Variable column(x.array().Reshape({1, 4, 1, 1}));
  for (const Row& row : rows) {
    const std::vector<float> across = Resize(row.method, x, 1, row.size).array().ToVector<float>();
    const std::vector<float> down = Resize(row.method, column, row.size, 1).array().ToVector<float>();
    for (int64_t i = 0; i < row.size; ++i) {
      EXPECT_NEAR(across[i], row.expected[i], 2e-6)
          << "method " << static_cast<int>(row.method) << " to " << row.size << " at " << i;
      EXPECT_EQ(across[i], down[i]);
    }
  }
}

TEST(ResizeTest, BilinearTwice) {
  OnEachDevice([] {
    const Variable x(Array::From<float>({1, 2, 2, 1}, {0, 4, 8, 12}));
    EXPECT_EQ(ResizeBilinear(x, 4, 4).array().ToVector<float>(),
              (std::vector<float>{0, 1, 3, 4, 2, 3, 5, 6, 6, 7, 9, 10, 8, 9, 11, 12}));
  });
}

// x = a·row + b·column + 1 stays that plane, at the resized positions, away from the clamped border.
TEST(ResizeTest, BilinearKeepsPlanes) {
  OnEachDevice([] {
    std::vector<float> values;
    for (int i = 0; i < 6; ++i) {
      for (int j = 0; j < 8; ++j) values.push_back(static_cast<float>(2 * i + 3 * j + 1));
    }
    const std::vector<float> y =
        ResizeBilinear(Variable(Array::From({1, 6, 8, 1}, values)), 24, 32).array().ToVector<float>();
    for (int i = 2; i < 22; ++i) {
      for (int j = 2; j < 30; ++j) {
        EXPECT_NEAR(y[i * 32 + j], 2 * ((i + 0.5) / 4 - 0.5) + 3 * ((j + 0.5) / 4 - 0.5) + 1, 1e-5);
      }
    }
  });
}

template <typename T>
void ExpectNearestLabels() {
  const Array x = Array::From<T>({1, 2, 3}, {1, 2, 3, 4, 5, 255 % 251});
  const Variable y = ResizeNearest(Variable(x), 4, 5);
  EXPECT_EQ(y.dtype(), DTypeOf<T>::value);
  EXPECT_EQ(y.shape(), Shape({1, 4, 5}));
  EXPECT_EQ(y.array().template ToVector<T>(),
            (std::vector<T>{1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 4, 4, 4, 5, 5, 4}));
}

TEST(ResizeTest, NearestOfLabels) {
  OnEachDevice([] {
    ExpectNearestLabels<uint8_t>();
    ExpectNearestLabels<int32_t>();
    ExpectNearestLabels<int64_t>();
    ExpectNearestLabels<float>();
  });
}

TEST(ResizeTest, SameForAnyThreadCount) {
  const Array x = testing::RandomArray({2, 37, 41, 21}, kFloat32, RandomKey(3));
  const auto expect_same = [&](int64_t height, int64_t width) {
    EXPECT_TRUE(testing::SameForThreadCounts([&] {
      Tape tape;
      const Variable v = tape.Watch(x);
      const Variable y = ResizeBilinear(v, height, width);
      tape.Backward(y, y.array());
      return std::vector<Array>{y.array(), tape.Gradient(v)};
    })) << height
        << " x " << width;
  };
  expect_same(148, 164);
  expect_same(11, 9);
}

TEST(ResizeTest, Misuse) {
  const Variable x(Array::Zeros({1, 4, 4, 2}, kFloat32));
  ExpectError([&] { ResizeBilinear(x, 0, 3); }, "ResizeBilinear: needs at least one row and column, not 0 x 3");
  ExpectError(
      [] {
        ResizeBilinear(Variable(Array::Zeros({4, 4, 2}, kFloat32)), 2, 2);
      },
      "ResizeBilinear: x has shape [4, 4, 2]");
  ExpectError(
      [] {
        ResizeBicubic(Variable(Array::Zeros({1, 0, 4, 2}, kFloat32)), 2, 2);
      },
      "ResizeBicubic: x [1, 0, 4, 2] has no pixels");
  ExpectError(
      [] {
        ResizeBilinear(Variable(Array::Zeros({1, 4, 4, 2}, kInt32)), 2, 2);
      },
      "needs a floating dtype, not int32");
  ExpectError([] { ResizeNearest(Variable(Array::Zeros({4, 4}, kUInt8)), 2, 2); }, "ResizeNearest: x has shape [4, 4]");
  ExpectError([] { ResizeNearest(Variable(), 2, 2); }, "ResizeNearest: x is missing");
}

}  // namespace
}  // namespace autograd
