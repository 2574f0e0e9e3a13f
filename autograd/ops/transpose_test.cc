#include "autograd/ops/transpose.h"

#include <gtest/gtest.h>

#include <numeric>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OnEachDevice;
using testing::OpCase;

OpCase Permutation(const std::string& name, const std::string& pattern, Shape shape) {
  return OpCase{name, [pattern](Inputs x) { return Transpose(x[0], pattern); }, {{shape}}, 1e-6, 1e-4, true};
}

OP_CONTRACT(Transpose, Permutation("Swap", "a b -> b a", {37, 67}),
            Permutation("ToChannelsFirst", "n h w c -> n c h w", {2, 5, 7, 3}),
            Permutation("ToChannelsLast", "n c h w -> n h w c", {2, 3, 5, 7}),
            Permutation("HeadsOfPacks", "n l h d -> n h l d", {2, 3, 5, 16}),
            Permutation("Heads", "n l h d -> n h l d", {2, 5, 3, 8}),
            Permutation("Reversed", "a b c d -> d c b a", {2, 3, 5, 7}),
            Permutation("FastestInTheMiddle", "a b c d -> b d a c", {3, 2, 5, 4}),
            Permutation("SixAxes", "a b c d e f -> f b e a d c", {2, 3, 2, 3, 2, 3}),
            Permutation("Identity", "a b -> a b", {3, 4}), Permutation("OnlyOnesMove", "a b c -> b c a", {1, 5, 4}),
            Permutation("Empty", "a b c -> c b a", {3, 0, 4}), Permutation("OneElement", "a b -> b a", {1, 1}),
            Permutation("LongRows", "a b -> b a", {3, 10007}),
            OpCase{"Reshape",
                   [](Inputs x) {
                     return Reshape(x[0], {3, -1});
                   },
                   {{{2, 3, 4}}},
                   1e-6,
                   1e-4,
                   true},
            OpCase{"ReshapeEmpty",
                   [](Inputs x) {
                     return Reshape(x[0], {4, 0});
                   },
                   {{{0, 3}}}},
            OpCase{"FlipWidth", [](Inputs x) { return Flip(x[0], 2); }, {{{2, 3, 5, 3}}}, 1e-6, 1e-4, true},
            OpCase{"FlipLast", [](Inputs x) { return Flip(x[0], -1); }, {{{4, 7}}}},
            OpCase{"FlipEmpty", [](Inputs x) { return Flip(x[0], 0); }, {{{0, 7}}}});

// Every element against its index, for all permutations of four axes and every element size.
TEST(TransposeTest, EveryPermutation) {
  OnEachDevice([] {
    const Shape shape{3, 5, 2, 7};
    std::vector<int64_t> values(shape.size());
    std::iota(values.begin(), values.end(), 0);
    const std::vector<uint8_t> bytes(values.begin(), values.end());
    const std::vector<int32_t> words(values.begin(), values.end());
    int order[4] = {0, 1, 2, 3};
    do {
      std::string pattern = "a b c d ->";
      for (int axis : order) pattern += std::string(" ") + "abcd"[axis];
      const Variable y = Transpose(Variable(Array::From(shape, values)), pattern);
      ASSERT_EQ(y.shape(), Shape({shape[order[0]], shape[order[1]], shape[order[2]], shape[order[3]]}));
      const std::vector<int64_t> moved = y.array().ToVector<int64_t>();
      EXPECT_EQ(Transpose(Variable(Array::From(shape, bytes)), pattern).array().ToVector<uint8_t>(),
                std::vector<uint8_t>(moved.begin(), moved.end()));
      EXPECT_EQ(Transpose(Variable(Array::From(shape, words)), pattern).array().ToVector<int32_t>(),
                std::vector<int32_t>(moved.begin(), moved.end()));
      int64_t position = 0, index[4];
      for (int64_t i = 0; i < y.shape()[0]; ++i) {
        for (int64_t j = 0; j < y.shape()[1]; ++j) {
          for (int64_t k = 0; k < y.shape()[2]; ++k) {
            for (int64_t l = 0; l < y.shape()[3]; ++l) {
              index[order[0]] = i;
              index[order[1]] = j;
              index[order[2]] = k;
              index[order[3]] = l;
              ASSERT_EQ(moved[position++], ((index[0] * 5 + index[1]) * 2 + index[2]) * 7 + index[3]) << pattern;
            }
          }
        }
      }
    } while (std::next_permutation(order, order + 4));
  });
}

TEST(TransposeTest, LargeSwapInTiles) {
  OnEachDevice([] {
    std::vector<float> values(100 * 75);
    std::iota(values.begin(), values.end(), 0.0f);
    const std::vector<float> y =
        Transpose(Variable(Array::From({100, 75}, values)), "a b -> b a").array().ToVector<float>();
    for (int i = 0; i < 100; ++i) {
      for (int j = 0; j < 75; ++j) ASSERT_EQ(y[j * 100 + i], static_cast<float>(i * 75 + j));
    }
  });
}

TEST(TransposeTest, SharesStorageWhereNothingMoves) {
  const Variable x(Array::Zeros({1, 5, 4}, kFloat32));
  EXPECT_TRUE(Transpose(x, "a b c -> b a c").array().SharesStorageWith(x.array()));
  EXPECT_TRUE(Reshape(x, {4, 5}).array().SharesStorageWith(x.array()));
  EXPECT_FALSE(Transpose(x, "a b c -> a c b").array().SharesStorageWith(x.array()));
}

TEST(TransposeTest, FlipValues) {
  OnEachDevice([] {
    const Array x = Array::From<uint8_t>({1, 2, 3}, {1, 2, 3, 4, 5, 6});
    EXPECT_EQ(Flip(Variable(x), 2).array().ToVector<uint8_t>(), (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
    EXPECT_EQ(Flip(Variable(x), 1).array().ToVector<uint8_t>(), (std::vector<uint8_t>{4, 5, 6, 1, 2, 3}));
  });
}

TEST(TransposeTest, Misuse) {
  const Variable x(Array::Zeros({2, 3}, kFloat32));
  ExpectError([&] { Transpose(x, "a b c -> c b a"); }, "Transpose: pattern \"a b c -> c b a\" does not fit x [2, 3]");
  ExpectError([&] { Transpose(x, "a b"); }, "has no ->");
  ExpectError([&] { Transpose(x, "a b -> a a"); }, "has not the same axes on both sides");
  ExpectError([&] { Transpose(x, "a b -> b"); }, "has not the same axes on both sides");
  ExpectError([&] { Transpose(x, "a b -> b c"); }, "has not the same axes on both sides");
  ExpectError([&] { Reshape(x, {4, -1}); }, "Reshape: [2, 3] does not divide by the given extents");
  ExpectError([&] { Reshape(x, {7}); }, "Reshape: [2, 3] has not as many elements as [7]");
  ExpectError([&] { Flip(x, 2); }, "Flip: axis 2 of x [2, 3]");
}

}  // namespace
}  // namespace autograd
