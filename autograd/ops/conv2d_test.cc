#include "autograd/ops/conv2d.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/cpu/onednn.h"
#include "autograd/ops/conv2d_onednn_cpu.h"
#include "autograd/ops/conv2d_patches_cpu.h"
#include "autograd/ops/elementwise.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

OpCase Case(const std::string& name, Shape x, Shape filter, Conv2dOptions options = {}) {
  return OpCase{name,
                [=](Inputs v) { return Conv2d(v[0], v[1], v[2], options); },
                {{x}, {filter}, {{filter[0]}}},
                1e-6,
                1e-4,
                options.activation == Activation::kNone};
}

OP_CONTRACT(Conv2d, Case("Plain3x3", {2, 6, 7, 5}, {4, 3, 3, 5}),
            Case("Same3x3", {2, 6, 7, 8}, {16, 3, 3, 8}, {.padding = 1}),
            Case("OddChannels", {1, 5, 6, 7}, {11, 3, 3, 7}, {.padding = 1}),
            Case("Strided", {2, 9, 8, 8}, {8, 3, 3, 8}, {.stride = 2, .padding = 1}),
            Case("StridedLeavesRows", {1, 8, 8, 8}, {8, 3, 3, 8}, {.stride = 2}),
            Case("Dilated", {1, 9, 10, 8}, {8, 3, 3, 8}, {.padding = 2, .dilation = 2}),
            Case("DilatedBeyondTheImage", {1, 5, 5, 3}, {4, 3, 3, 3}, {.padding = 6, .dilation = 6}),
            Case("Grouped", {2, 5, 5, 12}, {6, 3, 3, 4}, {.padding = 1, .groups = 3}),
            Case("GroupedWide", {1, 6, 6, 32}, {32, 3, 3, 8}, {.padding = 1, .groups = 4}),
            Case("GroupedPointwise", {2, 3, 4, 6}, {4, 1, 1, 3}, {.groups = 2}),
            Case("Pointwise", {2, 5, 3, 7}, {9, 1, 1, 7}),
            Case("PointwiseStrided", {2, 5, 4, 7}, {9, 1, 1, 7}, {.stride = 2}),
            Case("PointwisePadded", {1, 3, 3, 4}, {5, 1, 1, 4}, {.padding = 1}),
            Case("Patches", {2, 8, 12, 3}, {10, 4, 4, 3}, {.stride = 4}),
            Case("PatchesLeaveABorder", {1, 7, 9, 3}, {5, 2, 2, 3}, {.stride = 2}),
            Case("PatchesWithGaps", {1, 8, 8, 3}, {5, 2, 2, 3}, {.stride = 3, .padding = 1}),
            Case("Stem7x7", {1, 15, 14, 3}, {8, 7, 7, 3}, {.stride = 2, .padding = 3}),
            Case("FilterOfTwoSizes", {1, 6, 7, 4}, {5, 1, 3, 4}), Case("OnePixel", {1, 1, 1, 1}, {1, 1, 1, 1}),
            Case("NoImages", {0, 4, 4, 3}, {2, 3, 3, 3}),
            Case("Relu", {2, 5, 6, 8}, {8, 3, 3, 8}, {.padding = 1, .activation = Activation::kRelu}),
            Case("PatchesRelu", {1, 4, 6, 3}, {8, 2, 2, 3}, {.stride = 2, .activation = Activation::kRelu}),
            OpCase{"NoBias",
                   [](Inputs v) { return Conv2d(v[0], v[1], Variable(), {.padding = 1}); },
                   {{{2, 4, 5, 8}}, {{8, 3, 3, 8}}}});

// An array by the definition, element by element, in double: sums of products, of so many at most, and the sums of the
// products' magnitudes.
struct Sums {
  explicit Sums(int64_t size, int64_t terms_of_one) : value(size), magnitude(size), terms(terms_of_one) {}
  void Add(int64_t i, double a, double b) {
    value[i] += a * b;
    magnitude[i] += std::abs(a * b);
  }
  std::vector<double> value, magnitude;
  int64_t terms;
};
struct Reference {
  Sums y, dx, dfilter;
};
Reference Convolve(const Array& x, const Array& filter, const Array& dy, const Conv2dOptions& s) {
  const std::vector<float> in = x.ToVector<float>(), weights = filter.ToVector<float>(),
                           upstream = dy.ToVector<float>();
  const std::vector<int64_t> xs = x.shape().ToVector(), fs = filter.shape().ToVector(), ys = dy.shape().ToVector();
  const int64_t group_outputs = fs[0] / s.groups, depth = fs[3];
  Reference r{Sums(dy.size(), fs[1] * fs[2] * depth), Sums(x.size(), fs[1] * fs[2] * group_outputs),
              Sums(filter.size(), ys[0] * ys[1] * ys[2])};
  for (int64_t n = 0; n < ys[0]; ++n) {
    for (int64_t i = 0; i < ys[1]; ++i) {
      for (int64_t j = 0; j < ys[2]; ++j) {
        for (int64_t u = 0; u < fs[1]; ++u) {
          for (int64_t v = 0; v < fs[2]; ++v) {
            const int64_t row = i * s.stride + u * s.dilation - s.padding,
                          column = j * s.stride + v * s.dilation - s.padding;
            if (row < 0 || row >= xs[1] || column < 0 || column >= xs[2]) continue;
            for (int64_t o = 0; o < fs[0]; ++o) {
              const int64_t at_y = ((n * ys[1] + i) * ys[2] + j) * ys[3] + o;
              const int64_t at_x = ((n * xs[1] + row) * xs[2] + column) * xs[3] + o / group_outputs * fs[3],
                            at_f = ((o * fs[1] + u) * fs[2] + v) * fs[3];
              for (int64_t c = 0; c < depth; ++c) {
                r.y.Add(at_y, in[at_x + c], weights[at_f + c]);
                r.dx.Add(at_x + c, upstream[at_y], weights[at_f + c]);
                r.dfilter.Add(at_f + c, upstream[at_y], in[at_x + c]);
              }
            }
          }
        }
      }
    }
  }
  return r;
}

// Each element within what rounding in float32 may do to its sum, in whatever order.
::testing::AssertionResult IsSum(const Array& actual, const Sums& expected) {
  const std::vector<float> values = actual.ToVector<float>();
  const double rounding = testing::RoundingOfSum(kFloat32, expected.terms);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(std::abs(values[i] - expected.value[i]) <= rounding * expected.magnitude[i])) {
      return ::testing::AssertionFailure()
             << "element " << i << " of " << actual.shape() << " is " << values[i] << ", not " << expected.value[i]
             << " up to " << rounding * expected.magnitude[i];
    }
  }
  return ::testing::AssertionSuccess();
}

// The op, and both ways its CPU kernels may go.
void CheckAgainstDefinition(Shape x_shape, Shape filter_shape, const Conv2dOptions& options) {
  const RandomKey key(11);
  const Array x = RandomArray(x_shape, kFloat32, key.Split("x")),
              filter = RandomArray(filter_shape, kFloat32, key.Split("filter"));
  Tape tape;
  const Variable vx = tape.Watch(x), vf = tape.Watch(filter);
  const Variable y = Conv2d(vx, vf, Variable(), options);
  const Array dy = RandomArray(y.shape(), kFloat32, key.Split("dy"));
  tape.Backward(y, dy);
  const Reference reference = Convolve(x, filter, dy, options);
  EXPECT_TRUE(IsSum(y.array(), reference.y)) << x_shape << " " << filter_shape;
  EXPECT_TRUE(IsSum(tape.Gradient(vx), reference.dx)) << x_shape << " " << filter_shape;
  EXPECT_TRUE(IsSum(tape.Gradient(vf), reference.dfilter)) << x_shape << " " << filter_shape;

  Conv2dGeometry g;
  g.n = x_shape[0], g.h = x_shape[1], g.w = x_shape[2], g.c = x_shape[3], g.o = filter_shape[0], g.kh = filter_shape[1],
  g.kw = filter_shape[2];
  g.oh = y.shape()[1], g.ow = y.shape()[2];
  g.stride = options.stride, g.padding = options.padding, g.dilation = options.dilation, g.groups = options.groups;
  Array other = EmptyLike(y.array()), dx = EmptyLike(x);
  cpu::OneDnnConv2dForward(g, x.data<float>(), filter.data<float>(), static_cast<const float*>(nullptr), false, nullptr,
                           other.data<float>());
  EXPECT_TRUE(IsSum(other, reference.y)) << "oneDNN " << x_shape << " " << filter_shape;
  cpu::OneDnnConv2dInputGradient(g, filter.data<float>(), dy.data<float>(), dx.data<float>());
  EXPECT_TRUE(IsSum(dx, reference.dx)) << "oneDNN " << x_shape << " " << filter_shape;
  cpu::PatchForward(g, x.data<float>(), filter.data<float>(), static_cast<const float*>(nullptr), Activation::kNone,
                    nullptr, other.data<float>());
  EXPECT_TRUE(IsSum(other, reference.y)) << "patches " << x_shape << " " << filter_shape;
  cpu::PatchInputGradient(g, filter.data<float>(), dy.data<float>(), dx.data<float>());
  EXPECT_TRUE(IsSum(dx, reference.dx)) << "patches " << x_shape << " " << filter_shape;
}

TEST(Conv2dTest, MatchesTheDefinition) {
  CheckAgainstDefinition({2, 7, 6, 5}, {3, 3, 3, 5}, {.padding = 1});
  CheckAgainstDefinition({1, 9, 8, 16}, {24, 5, 3, 16}, {.stride = 2, .padding = 2});
  CheckAgainstDefinition({2, 8, 8, 12}, {6, 3, 3, 6}, {.padding = 3, .dilation = 3, .groups = 2});
  CheckAgainstDefinition({1, 12, 12, 3}, {17, 4, 4, 3}, {.stride = 4});
}

// Large enough that oneDNN gets parts of an image, and the filter gradient several partial sums and runs of outputs.
TEST(Conv2dTest, MatchesTheDefinitionWhereItIsCut) {
  CheckAgainstDefinition({1, 33, 32, 64}, {96, 3, 3, 64}, {.padding = 1});
  CheckAgainstDefinition({1, 65, 64, 48}, {64, 3, 3, 48}, {.stride = 2, .padding = 1});
  CheckAgainstDefinition({1, 36, 33, 32}, {256, 3, 3, 32}, {.padding = 4, .dilation = 4});
  CheckAgainstDefinition({5, 21, 20, 128}, {256, 3, 3, 128}, {.padding = 1});
  CheckAgainstDefinition({2, 65, 64, 3}, {32, 7, 7, 3}, {.stride = 2, .padding = 3});
  CheckAgainstDefinition({3, 17, 40, 32}, {128, 3, 3, 32}, {.padding = 1});
  CheckAgainstDefinition({2, 64, 40, 24}, {48, 2, 2, 24}, {.stride = 2});
}

TEST(Conv2dTest, SameBitsForAnyThreadCount) {
  const RandomKey key(12);
  const Array x = RandomArray({2, 33, 32, 32}, kFloat32, key.Split("x")),
              filter = RandomArray({64, 3, 3, 32}, kFloat32, key.Split("filter"));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable vx = tape.Watch(x), vf = tape.Watch(filter), y = Conv2d(vx, vf, Variable(), {.padding = 1});
    tape.Backward(y, RandomArray(y.shape(), kFloat32, key.Split("dy")));
    return std::vector<Array>{y.array(), tape.Gradient(vx), tape.Gradient(vf)};
  }));
}

// Whichever way the products of ConvNeXt, ResNet and a feature pyramid go, oneDNN has a compiled kernel for them.
TEST(Conv2dTest, NoNetworkMeetsOneDnnsReferenceCode) {
  struct Layer {
    int64_t n, size, c, o, k, stride, padding, dilation, groups;
  };
  for (const Layer& l :
       {Layer{2, 224, 3, 64, 7, 2, 3, 1, 1}, Layer{2, 128, 3, 32, 3, 2, 1, 1, 1}, Layer{2, 56, 64, 64, 3, 1, 1, 1, 1},
        Layer{2, 56, 128, 128, 3, 2, 1, 1, 1}, Layer{2, 28, 128, 128, 3, 1, 1, 1, 1},
        Layer{2, 14, 256, 256, 3, 1, 1, 1, 1}, Layer{2, 28, 256, 256, 3, 1, 2, 2, 1},
        Layer{2, 7, 512, 512, 3, 1, 1, 1, 1}, Layer{2, 28, 512, 512, 3, 1, 4, 4, 1},
        Layer{2, 32, 2048, 256, 3, 1, 12, 12, 1}, Layer{2, 56, 128, 128, 3, 1, 1, 1, 32},
        Layer{2, 64, 256, 256, 3, 1, 1, 1, 1}, Layer{2, 64, 96, 128, 3, 1, 1, 1, 1},
        Layer{2, 32, 320, 80, 3, 1, 1, 1, 1}, Layer{1, 8, 640, 256, 3, 1, 1, 1, 1}}) {
    Conv2dGeometry g;
    g.n = l.n, g.h = g.w = l.size, g.c = l.c, g.o = l.o, g.kh = g.kw = l.k, g.stride = l.stride, g.padding = l.padding,
    g.dilation = l.dilation;
    g.groups = l.groups;
    g.oh = g.ow = (l.size + 2 * l.padding - g.extent_h()) / l.stride + 1;
    for (const auto product : {Conv2dProduct::kForward, Conv2dProduct::kInputGradient}) {
      const std::string name = cpu::OneDnnConv2dImplementation<float>(product, g);
      EXPECT_FALSE(cpu::IsReferenceImplementation(name))
          << name << " for " << l.c << " -> " << l.o << " at " << l.size << " dilated by " << l.dilation;
    }
  }
}

TEST(Conv2dTest, FusedReluEqualsTheOp) {
  const RandomKey key(13);
  // The same sums of 9·16 products and a bias, perhaps in another order: each is within its rounding of the exact one,
  // and all terms are below 1.
  const double rounding = 2 * testing::RoundingOfSum(kFloat32, 9 * 16 + 1) * (9 * 16 + 1);
  for (const int64_t stride : {1, 3}) {
    const Variable x(RandomArray({1, 9, 9, 16}, kFloat32, key.Split("x"))),
        filter(RandomArray({24, 3, 3, 16}, kFloat32, key.Split("filter"))),
        bias(RandomArray({24}, kFloat32, key.Split("bias")));
    EXPECT_TRUE(AllClose(Conv2d(x, filter, bias, {.stride = stride, .activation = Activation::kRelu}).array(),
                         Relu(Conv2d(x, filter, bias, {.stride = stride})).array(), 0, rounding));
  }
}

TEST(Conv2dTest, Misuse) {
  const Variable x(Array::Zeros({1, 8, 8, 6}, kFloat32)), filter(Array::Zeros({4, 3, 3, 6}, kFloat32)),
      deep(Array::Zeros({4, 3, 3, 5}, kFloat32)), bias(Array::Zeros({5}, kFloat32)),
      flat(Array::Zeros({8, 8, 6}, kFloat32)), wide(Array::Zeros({4, 9, 9, 6}, kFloat32)),
      whole(Array::Zeros({4, 3, 3, 6}, kInt32));
  ExpectError([&] { Conv2d(x, deep); }, "Conv2d: c is 6 in x [1, 8, 8, 6] but 5");
  ExpectError([&] { Conv2d(x, filter, bias); }, "Conv2d: o is 4 in filter [4, 3, 3, 6] but 5 in bias [5]");
  ExpectError([&] { Conv2d(flat, filter); }, "x has shape [8, 8, 6]");
  ExpectError([&] { Conv2d(x, wide); }, "does not fit x [1, 8, 8, 6]");
  ExpectError([&] { Conv2d(x, whole); }, "Conv2d");
  ExpectError([&] { Conv2d(x, filter, Variable(), {.groups = 4}); }, "4 groups do not divide");
  ExpectError([&] { Conv2d(x, filter, Variable(), {.stride = 0}); }, "must be positive");
  ExpectError([&] { Conv2d(x, filter, Variable(), {.activation = Activation::kGelu}); }, "kNone or kRelu");
}

}  // namespace
}  // namespace autograd
