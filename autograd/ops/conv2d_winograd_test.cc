#include "autograd/ops/conv2d_winograd_cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/core/weight_layouts.h"
#include "autograd/ops/conv2d_patches_cpu.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd::cpu {
namespace {

using testing::AllClose;
using testing::RandomArray;

struct Sizes {
  int64_t n, h, w, c, o, padding = 1, dilation = 1;
};

Conv2dGeometry Geometry(const Sizes& sizes) {
  Conv2dGeometry g;
  g.n = sizes.n, g.h = sizes.h, g.w = sizes.w, g.c = sizes.c, g.o = sizes.o, g.kh = g.kw = 3;
  g.padding = sizes.padding, g.dilation = sizes.dilation;
  g.oh = g.h + 2 * g.padding - g.extent_h() + 1, g.ow = g.w + 2 * g.padding - g.extent_w() + 1;
  return g;
}

// Tiles that are whole or not, channels and tiles that come in several parts, phases of a dilation without a pixel.
const Sizes kSizes[] = {{2, 6, 8, 8, 16},        {1, 7, 5, 16, 8},        {1, 9, 6, 8, 8, 0},
                        {1, 5, 7, 8, 8, 2},      {2, 9, 10, 8, 8, 2, 2},  {1, 13, 11, 8, 16, 4, 4},
                        {1, 13, 14, 8, 8, 2, 3}, {1, 5, 6, 8, 8, 12, 12}, {1, 1, 1, 8, 8, 1},
                        {3, 33, 29, 8, 24},      {1, 5, 4, 1040, 8},      {1, 4, 5, 8, 528},
                        {1, 46, 48, 520, 528}};

struct Drawn {
  Array x, filter, bias, dy;
};
Drawn Draw(const Conv2dGeometry& g, DType dtype) {
  const RandomKey key(21);
  return {RandomArray({g.n, g.h, g.w, g.c}, dtype, key.Split("x")),
          RandomArray({g.o, 3, 3, g.c}, dtype, key.Split("filter")), RandomArray({g.o}, dtype, key.Split("bias")),
          RandomArray({g.n, g.oh, g.ow, g.o}, dtype, key.Split("dy"))};
}

Array InDouble(const Array& array) {
  const std::vector<float> values = array.ToVector<float>();
  return Array::From(array.shape(), std::vector<double>(values.begin(), values.end()));
}

double Largest(const Array& array) {
  double largest = 0;
  for (const double value : array.ToVector<double>()) largest = std::max(largest, std::abs(value));
  return largest;
}

// Of `terms` products the transforms make sums of no more than 81 times the largest product: the rows of |Aᵀ|, |G| and
// |Bᵀ| add up to 3, 3/2 and 2, along two axes. Those of the filter's gradient, |Gᵀ|, |A| and |Bᵀ|, to 2, 2 and 2.
// A term goes through up to 12 additions of the transforms beside those of its sum.
double Bound(DType dtype, int64_t terms, const Array& a, const Array& b) {
  return 81 * testing::RoundingOfSum(dtype, terms + 12) * static_cast<double>(terms) * Largest(a) * Largest(b);
}

TEST(Conv2dWinogradTest, EqualsTheDefinitionInDouble) {
  for (const Sizes& sizes : kSizes) {
    const Conv2dGeometry g = Geometry(sizes);
    SCOPED_TRACE(::testing::Message() << g.n << " x " << g.h << " x " << g.w << " x " << g.c << " to " << g.o
                                      << ", padding " << g.padding << ", dilation " << g.dilation);
    const auto [x, filter, bias, dy] = Draw(g, kFloat64);
    Array y = EmptyLike(dy), expected_y = EmptyLike(dy), dx = EmptyLike(x), expected_dx = EmptyLike(x),
          dfilter = EmptyLike(filter), expected_dfilter = EmptyLike(filter);
    ASSERT_TRUE(WinogradFits(Conv2dProduct::kForward, g));
    WinogradForward(g, x.data<double>(), filter.data<double>(), bias.data<double>(), true, nullptr, y.data<double>());
    PatchForward(g, x.data<double>(), filter.data<double>(), bias.data<double>(), Activation::kRelu, nullptr,
                 expected_y.data<double>());
    EXPECT_TRUE(AllClose(y, expected_y, 0, Bound(kFloat64, g.c, x, filter)));

    ASSERT_TRUE(WinogradFits(Conv2dProduct::kFilterGradient, g));
    WinogradFilterGradient(g, x.data<double>(), dy.data<double>(), dfilter.data<double>());
    PatchFilterGradient(g, x.data<double>(), dy.data<double>(), expected_dfilter.data<double>());
    EXPECT_TRUE(AllClose(dfilter, expected_dfilter, 0, Bound(kFloat64, g.positions(), x, dy)));

    ASSERT_TRUE(WinogradFits(Conv2dProduct::kInputGradient, g));
    WinogradInputGradient(g, filter.data<double>(), dy.data<double>(), dx.data<double>());
    PatchInputGradient(g, filter.data<double>(), dy.data<double>(), expected_dx.data<double>());
    EXPECT_TRUE(AllClose(dx, expected_dx, 0, Bound(kFloat64, g.o, filter, dy)));
  }
}

TEST(Conv2dWinogradTest, RoundsInFloatAsItsSumsMay) {
  const Conv2dGeometry g = Geometry({2, 18, 17, 64, 40});
  const auto [x, filter, bias, dy] = Draw(g, kFloat32);
  const Array x64 = InDouble(x), filter64 = InDouble(filter);
  Array y = EmptyLike(dy), expected = Array::Empty(dy.shape(), kFloat64);
  WinogradForward(g, x.data<float>(), filter.data<float>(), static_cast<const float*>(nullptr), false, nullptr,
                  y.data<float>());
  WinogradForward(g, x64.data<double>(), filter64.data<double>(), static_cast<const double*>(nullptr), false, nullptr,
                  expected.data<double>());
  EXPECT_TRUE(AllClose(y, expected, 0, Bound(kFloat32, g.c, x64, filter64)));
}

TEST(Conv2dWinogradTest, WeightsThatAreKeptAreUsedAgain) {
  const Conv2dGeometry g = Geometry({1, 9, 12, 16, 520});
  const auto [x, filter, bias, dy] = Draw(g, kFloat32);
  WeightLayouts layouts;
  Array y = EmptyLike(dy), kept = EmptyLike(dy);
  WinogradForward(g, x.data<float>(), filter.data<float>(), bias.data<float>(), false, nullptr, y.data<float>());
  WinogradForward(g, x.data<float>(), filter.data<float>(), bias.data<float>(), false, &layouts, kept.data<float>());
  EXPECT_EQ(kept.ToVector<float>(), y.ToVector<float>());
  // Nothing reads the filter once its layouts are there.
  const Array nothing = Array::Zeros(filter.shape(), kFloat32);
  WinogradForward(g, x.data<float>(), nothing.data<float>(), bias.data<float>(), false, &layouts, kept.data<float>());
  EXPECT_EQ(kept.ToVector<float>(), y.ToVector<float>());
}

TEST(Conv2dWinogradTest, SameBitsForAnyThreadCount) {
  const Conv2dGeometry g = Geometry({2, 31, 47, 72, 48, 2, 2});
  const auto [x, filter, bias, dy] = Draw(g, kFloat32);
  const auto products = [&] {
    Array y = EmptyLike(dy), dx = EmptyLike(x), dfilter = EmptyLike(filter);
    WinogradForward(g, x.data<float>(), filter.data<float>(), bias.data<float>(), true, nullptr, y.data<float>());
    WinogradInputGradient(g, filter.data<float>(), dy.data<float>(), dx.data<float>());
    WinogradFilterGradient(g, x.data<float>(), dy.data<float>(), dfilter.data<float>());
    return std::vector<Array>{y, dx, dfilter};
  };
  EXPECT_TRUE(testing::SameForThreadCounts(products, {3, 4, 5}));
}

TEST(Conv2dWinogradTest, IsForMultiplesOfEightChannelsAndPaddingWithinTheWindow) {
  const Conv2dGeometry fits = Geometry({1, 9, 9, 8, 8});
  const auto forward = [&](auto change) {
    Conv2dGeometry g = fits;
    change(g);
    return WinogradFits(Conv2dProduct::kForward, g);
  };
  EXPECT_TRUE(forward([](Conv2dGeometry&) {}));
  EXPECT_FALSE(forward([](Conv2dGeometry& g) { g.c = 12; }));
  EXPECT_FALSE(forward([](Conv2dGeometry& g) { g.o = 59; }));
  EXPECT_FALSE(forward([](Conv2dGeometry& g) { g.stride = 2; }));
  EXPECT_FALSE(forward([](Conv2dGeometry& g) { g.groups = 2; }));
  EXPECT_FALSE(forward([](Conv2dGeometry& g) { g.kw = 1; }));
  const Conv2dGeometry wide = Geometry({1, 9, 9, 8, 8, 3});
  EXPECT_TRUE(WinogradFits(Conv2dProduct::kForward, wide));
  EXPECT_FALSE(WinogradFits(Conv2dProduct::kInputGradient, wide));
}

TEST(Conv2dWinogradTest, PaysWhereChannelsAreManyAndTilesFull) {
  const auto pays = [](Conv2dProduct product, const Sizes& sizes) { return WinogradPays(product, Geometry(sizes)); };
  for (const Conv2dProduct product :
       {Conv2dProduct::kForward, Conv2dProduct::kInputGradient, Conv2dProduct::kFilterGradient}) {
    EXPECT_TRUE(pays(product, {2, 30, 30, 512, 512, 4, 4}));
    EXPECT_TRUE(pays(product, {8, 32, 32, 64, 64}));
    EXPECT_FALSE(pays(product, {8, 32, 32, 16, 256}));
    EXPECT_FALSE(pays(product, {1, 8, 8, 512, 512}));
    EXPECT_FALSE(pays(product, {1, 64, 64, 256, 256, 64, 64}));
  }
  // Half of the tiles' places are beside the image.
  EXPECT_FALSE(pays(Conv2dProduct::kForward, {1, 64, 64, 2048, 256, 12, 12}));
  EXPECT_TRUE(pays(Conv2dProduct::kInputGradient, {1, 64, 64, 2048, 256, 12, 12}));
}

}  // namespace
}  // namespace autograd::cpu
