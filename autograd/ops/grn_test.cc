#include "autograd/ops/grn.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/gelu_functions.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

using Function = Variable (*)(const Variable&, const Variable&, const Variable&, double);

OpCase Case(const std::string& name, Function function, Shape shape, bool bfloat16 = true) {
  const int64_t c = shape[-1];
  return OpCase{
      name,    [function](Inputs v) { return function(v[0], v[1], v[2], 1e-6); }, {{shape}, {{c}}, {{c}}}, 1e-6, 1e-4,
      bfloat16};
}

OP_CONTRACT(Grn, Case("Image", Grn, {2, 3, 5, 7}), Case("OnePixel", Grn, {3, 1, 1, 8}),
            Case("OneChannel", Grn, {2, 4, 1}), Case("SeveralChunks", Grn, {2, 67, 67, 3}),
            Case("WideChannels", Grn, {1, 3, 1031}), Case("Packs", Grn, {3, 11, 48}),
            Case("NoImages", Grn, {0, 2, 2, 3}, false), Case("NoPixels", Grn, {2, 0, 2, 3}, false));

OP_CONTRACT(GeluGrn, Case("Image", GeluGrn, {2, 3, 5, 7}), Case("OnePixel", GeluGrn, {3, 1, 1, 8}),
            Case("SeveralChunks", GeluGrn, {2, 67, 67, 3}), Case("WideChannels", GeluGrn, {1, 3, 1031}),
            Case("Packs", GeluGrn, {3, 11, 48}), Case("NoPixels", GeluGrn, {2, 0, 2, 3}, false));

// What a device's approximations may do (gelu_functions.h), each at either end of what the PTX ISA grants it: Φ is that
// of erfc far more closely than bfloat16 tells.
TEST(GeluFunctionsTest, ApproximationsOfADeviceStayBelowBFloat16) {
  const double reciprocal = 0x1p-23, power = 0x1p-22;
  for (float x = -13; x <= 0; x += 0x1p-6f) {
    const double square = double{x} * x;
    // The argument of the power, two products and a constant in float32, is off by 1.5 roundings of itself each.
    const double argument = 1.5 * 0x1p-24 * square;
    for (const int a : {-1, 0, 1}) {
      for (const int b : {-1, 0, 1}) {
        const auto t = static_cast<float>(1 / (1 + 0.26 * std::fabs(x)) * (1 + a * reciprocal));
        const auto exponential = static_cast<float>(std::exp(-0.5 * square) * (1 + b * (power + argument)));
        const NormalDistribution<float> normal = StandardNormal(x, t, exponential);
        const double bound = 0x1p-20 + 0x1p-23 * square, expected = 0.5 * std::erfc(-x * std::sqrt(0.5));
        EXPECT_LE(std::fabs(normal.cumulative - expected), bound * expected) << x;
        EXPECT_LE(std::fabs(StandardNormal(-x, t, exponential).cumulative - (1 - expected)), bound) << -x;
        EXPECT_LT(bound, 0x1p-8 / 128);
      }
    }
  }
}

TEST(GrnTest, TwoChannels) {
  // Norms √30 and √2.5, ratios 1.551981 and 0.448018.
  const Variable x(Array::From<float>({1, 2, 2, 2}, {1, 0.5, 2, -0.5, 3, 1, 4, -1}));
  const Variable weight(Array::Full({2}, kFloat32, 0.1)), bias(Array::Full({2}, kFloat32, 0.2));
  const std::vector<float> y = Grn(x, weight, bias).array().ToVector<float>();
  EXPECT_NEAR(y[0], 1.355198, 2e-6);
  EXPECT_NEAR(y[6], 4 + 0.2 + 0.1 * 4 * 1.551981, 4e-6);
  EXPECT_NEAR(y[7], -1 + 0.2 - 0.1 * 0.448018, 2e-6);
}

TEST(GrnTest, IsTheIdentityAtInitialisation) {
  const Array x = RandomArray({2, 5, 3, 9}, kFloat32, RandomKey(3)), zero = Array::Zeros({9}, kFloat32);
  EXPECT_EQ(Grn(x, zero, zero).array().ToVector<float>(), x.ToVector<float>());
}

TEST(GrnTest, SilentChannelPassesNoNan) {
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({1, 2, 2, 3}, kFloat32));
  const Variable y = Grn(x, Array::Full({3}, kFloat32, 0.5), Array::Full({3}, kFloat32, 2));
  EXPECT_EQ(y.array().ToVector<float>(), std::vector<float>(12, 2));
  tape.Backward(y, Array::Full({1, 2, 2, 3}, kFloat32, 1));
  EXPECT_EQ(tape.Gradient(x).ToVector<float>(), std::vector<float>(12, 1));
}

TEST(GrnTest, GeluGrnIsGeluThenGrn) {
  const Shape shape{2, 9, 11, 20};

  const Array x = RandomArray(shape, kFloat32, RandomKey(10), -4, 4),
              weight = RandomArray({20}, kFloat32, RandomKey(11)), bias = RandomArray({20}, kFloat32, RandomKey(12)),
              dy = RandomArray(shape, kFloat32, RandomKey(13));
  std::vector<Array> results[2];
  for (int fused = 0; fused < 2; ++fused) {
    Tape tape;
    const Variable v = tape.Watch(x), w = tape.Watch(weight), b = tape.Watch(bias);
    const Variable y = fused ? GeluGrn(v, w, b) : Grn(Gelu(v), w, b);
    tape.Backward(y, dy);
    results[fused] = {y.array(), tape.Gradient(v), tape.Gradient(w), tape.Gradient(b)};
  }
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(AllClose(results[1][i], results[0][i], 1e-6)) << i;
}

TEST(GrnTest, StandardNormalMatchesLibm) {
  for (int i = -9000; i <= 9000; ++i) {
    const float x = static_cast<float>(i) * 1e-3f;
    const double cumulative = 0.5 * std::erfc(-static_cast<double>(x) * std::sqrt(0.5));
    EXPECT_NEAR(StandardNormal(x).cumulative, cumulative, 2.5e-7) << x;
    EXPECT_NEAR(GeluValue(x), x * cumulative, 4e-7 * std::max(1.0f, std::abs(x))) << x;
    EXPECT_NEAR(StandardNormal(x).density, std::exp(-0.5 * static_cast<double>(x) * x) * 0.3989422804014327, 6e-8) << x;
  }
  EXPECT_EQ(GeluValue(40.0f), 40.0f);
  EXPECT_NEAR(GeluValue(-40.0f), 0.0f, 1e-30f);
  EXPECT_TRUE(std::isnan(GeluValue(NAN)));
}

TEST(GrnTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({2, 64, 64, 12}, kFloat32, RandomKey(1)),
              dy = RandomArray({2, 64, 64, 12}, kFloat32, RandomKey(2));
  const Array weight = RandomArray({12}, kFloat32, RandomKey(3)), bias = RandomArray({12}, kFloat32, RandomKey(4));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x), w = tape.Watch(weight);
    const Variable y = GeluGrn(v, w, bias);
    tape.Backward(y, dy);
    return std::vector<Array>{y.array(), tape.Gradient(v), tape.Gradient(w)};
  }));
}

TEST(GrnTest, SavesOnlyItsInput) {
  Parameter weight(Array::Zeros({64}, kFloat32)), bias(Array::Zeros({64}, kFloat32));
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({4, 8, 8, 64}, kFloat32));
  GeluGrn(x, weight, bias);
  EXPECT_EQ(tape.SavedBytes(), (4 * 8 * 8 * 64 + 4 * 64) * 4);
}

TEST(GrnTest, Misuse) {
  const Variable x(Array::Zeros({2, 4, 4, 3}, kFloat32)), three(Array::Zeros({3}, kFloat32)),
      four(Array::Zeros({4}, kFloat32)), wide(Array::Zeros({3}, kFloat64));
  ExpectError([&] { Grn(x, four, four); }, "Grn: c is 3 in x [2, 4, 4, 3] but 4 in weight [4]");
  ExpectError([&] { GeluGrn(x, three, four); }, "GeluGrn: c is 3 in x [2, 4, 4, 3] but 4 in bias [4]");
  ExpectError([&] { Grn(three, three, three); }, "Grn: x has shape [3] but must be [ n ... c ]");
  ExpectError([&] { Grn(x, wide, wide); }, "Grn: weight is float64 [3] for x float32 [2, 4, 4, 3]");
}

}  // namespace
}  // namespace autograd
