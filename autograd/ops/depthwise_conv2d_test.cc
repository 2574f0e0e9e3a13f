#include "autograd/ops/depthwise_conv2d.h"

#include <gtest/gtest.h>

#include "autograd/ops/conv2d.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

OpCase Case(const std::string& name, Shape x, int64_t kh, int64_t kw, DepthwiseConv2dOptions options = {}) {
  return OpCase{name,
                [=](Inputs v) { return DepthwiseConv2d(v[0], v[1], v[2], options); },
                {{x}, {{kh, kw, x[3]}}, {{x[3]}}},
                1e-6,
                1e-4,
                true};
}

// float32 runs the tiles and float64 the plain loops, so every dense row checks one against the other.
OP_CONTRACT(DepthwiseConv2d, Case("Seven", {2, 9, 10, 16}, 7, 7), Case("SevenOnSmallerImage", {1, 2, 3, 8}, 7, 7),
            Case("Five", {1, 11, 6, 24}, 5, 5), Case("Three", {2, 5, 8, 8}, 3, 3), Case("Nine", {1, 10, 12, 9}, 9, 9),
            Case("One", {1, 3, 4, 5}, 1, 1), Case("Oblong", {1, 6, 9, 8}, 3, 7),
            Case("OddChannels", {2, 7, 7, 13}, 7, 7), Case("OneChannel", {1, 8, 8, 1}, 7, 7),
            Case("ManyChannels", {1, 4, 5, 75}, 7, 7), Case("SeveralTiles", {1, 35, 67, 11}, 7, 7),
            Case("WideTiles", {1, 5, 60, 40}, 7, 7), Case("WideTilesOfThree", {1, 20, 30, 8}, 3, 3),
            Case("MoreTilesThanParts", {531, 1, 2, 3}, 5, 5), Case("SixteenChannelsABlock", {2, 19, 64, 48}, 7, 7),
            Case("SixteenChannelsOfFive", {1, 9, 70, 16}, 5, 5), Case("SixteenChannelsOfThree", {1, 17, 61, 8}, 3, 3),
            Case("MostCuts", {1, 150, 3, 4}, 3, 3), Case("OnePixel", {1, 1, 1, 8}, 7, 7),
            Case("OneColumn", {2, 40, 1, 3}, 5, 5), Case("Strided", {2, 9, 8, 6}, 3, 3, {.stride = 2}),
            Case("Dilated", {1, 9, 10, 6}, 3, 3, {.dilation = 3}),
            Case("StridedAndDilated", {1, 13, 12, 5}, 5, 5, {.stride = 3, .dilation = 2}),
            Case("NoImages", {0, 4, 4, 3}, 3, 3),
            OpCase{"NoBias", [](Inputs v) { return DepthwiseConv2d(v[0], v[1]); }, {{{2, 6, 6, 10}}, {{7, 7, 10}}}},
            OpCase{"BiasAloneWantsAGradient",
                   [](Inputs v) { return DepthwiseConv2d(v[0].Detach(), v[1].Detach(), v[2]); },
                   {{{2, 6, 6, 10}, -1, 1, false}, {{3, 3, 10}, -1, 1, false}, {{10}}}});

// The same filter as a convolution with as many groups as channels, whose filter is [c, kh, kw, 1].
TEST(DepthwiseConv2dTest, EqualsAGroupedConvolution) {
  const RandomKey key(21);
  for (const DepthwiseConv2dOptions& options :
       {DepthwiseConv2dOptions{}, DepthwiseConv2dOptions{.stride = 2, .dilation = 2}}) {
    const int64_t c = 12, k = 7;
    const Array filter = RandomArray({k, k, c}, kFloat32, key.Split("filter"));
    const std::vector<float> taps = filter.ToVector<float>();
    std::vector<float> transposed(taps.size());
    for (int64_t tap = 0; tap < k * k; ++tap) {
      for (int64_t channel = 0; channel < c; ++channel) transposed[channel * k * k + tap] = taps[tap * c + channel];
    }
    const Variable x(RandomArray({2, 37, 34, c}, kFloat32, key.Split("x"))),
        bias(RandomArray({c}, kFloat32, key.Split("bias")));
    const Variable grouped = Conv2d(x, Array::From({c, k, k, 1}, transposed), bias,
                                    {.stride = options.stride,
                                     .padding = options.dilation * (k - 1) / 2,
                                     .dilation = options.dilation,
                                     .groups = c});
    EXPECT_TRUE(AllClose(DepthwiseConv2d(x, filter, bias, options).array(), grouped.array(), 1e-5));
  }
}

TEST(DepthwiseConv2dTest, SameBitsForAnyThreadCount) {
  const RandomKey key(22);
  const Array x = RandomArray({3, 40, 36, 72}, kFloat32, key.Split("x")),
              filter = RandomArray({7, 7, 72}, kFloat32, key.Split("filter")),
              bias = RandomArray({72}, kFloat32, key.Split("bias"));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable vx = tape.Watch(x), vf = tape.Watch(filter), vb = tape.Watch(bias), y = DepthwiseConv2d(vx, vf, vb);
    tape.Backward(y, RandomArray(y.shape(), kFloat32, key.Split("dy")));
    return std::vector<Array>{y.array(), tape.Gradient(vx), tape.Gradient(vf), tape.Gradient(vb)};
  }));
}

TEST(DepthwiseConv2dTest, Misuse) {
  const Variable x(Array::Zeros({1, 8, 8, 6}, kFloat32)), filter(Array::Zeros({3, 3, 6}, kFloat32)),
      other(Array::Zeros({3, 3, 5}, kFloat32)), even(Array::Zeros({4, 3, 6}, kFloat32)),
      bias(Array::Zeros({7}, kFloat32)), pytorch(Array::Zeros({6, 1, 3, 3}, kFloat32));
  ExpectError([&] { DepthwiseConv2d(x, other); },
              "DepthwiseConv2d: c is 6 in x [1, 8, 8, 6] but 5 in filter [3, 3, 5]");
  ExpectError([&] { DepthwiseConv2d(x, even); }, "must have odd height and width");
  ExpectError([&] { DepthwiseConv2d(x, filter, bias); }, "c is 6");
  ExpectError([&] { DepthwiseConv2d(x, pytorch); }, "filter has shape [6, 1, 3, 3]");
  ExpectError([&] { DepthwiseConv2d(x, filter, Variable(), {.stride = 0}); }, "must be positive");
}

}  // namespace
}  // namespace autograd
