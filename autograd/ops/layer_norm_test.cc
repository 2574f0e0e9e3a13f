#include "autograd/ops/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>

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

OpCase Case(const std::string& name, Shape shape, bool bfloat16 = true) {
  const int64_t c = shape[-1];
  return OpCase{
      name, [](Inputs v) { return LayerNorm(v[0], v[1], v[2], 1e-3); }, {{shape}, {{c}}, {{c}}}, 1e-6, 1e-4, bfloat16};
}

OP_CONTRACT(
    LayerNorm, Case("ThreeRows", {3, 5}), Case("Image", {2, 3, 3, 40}), Case("NotAMultipleOfLanes", {7, 77}),
    Case("SeveralChunks", {4300, 3}, false), Case("PrimeRows", {131, 16}), Case("LongRow", {2, 1031}),
    Case("Vector", {13}),
    // Packs in the registers of 4 to 32 lanes, 1 to 6 for a lane and not all of them full, with rows left over in
    // the last block; and rows too long for that.
    Case("FourLanes", {65, 24}), Case("ThreePacks", {70, 80}), Case("TwoFullPacks", {33, 128}),
    Case("EightLanes", {35, 160}), Case("SixteenLanes", {19, 320}), Case("FullRow", {5, 512}),
    Case("ThirtyTwoLanes", {9, 640}), Case("SixPacks", {3, 768}), Case("SeveralRowsAThread", {17000, 8}, false),
    Case("TooLongForRegisters", {3, 1544}),
    OpCase{"NoRows", [](Inputs v) { return LayerNorm(v[0], v[1], v[2], 1e-5); }, {{{0, 4}}, {{4}}, {{4}}}});

TEST(LayerNormTest, ClosedForm) {
  // Deviations −1.5, −0.5, 0.5, 1.5 and variance 1.25: with epsilon 1 the divisor is 1.5.
  const Variable x(Array::From<float>({1, 4}, {1, 2, 3, 4})), gamma(Array::From<float>({4}, {1, 2, 1, 3})),
      beta(Array::From<float>({4}, {0, 0, 10, 0}));
  const std::vector<float> y = LayerNorm(x, gamma, beta, 1.0).array().ToVector<float>();
  const float expected[] = {-1, -2.0f / 3, 10 + 1.0f / 3, 3};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(y[i], expected[i], 1e-6);
}

TEST(LayerNormTest, OneChannelIsItsShift) {
  Tape tape;
  const Variable x = tape.Watch(Array::From<float>({3, 1}, {-2, 0.3f, 7}));
  const Variable y = LayerNorm(x, Array::Full({1}, kFloat32, 3), Array::Full({1}, kFloat32, 0.25), 1e-5);
  EXPECT_EQ(y.array().ToVector<float>(), std::vector<float>(3, 0.25f));
  tape.Backward(y, Array::Full({3, 1}, kFloat32, 1));
  EXPECT_EQ(tape.Gradient(x).ToVector<float>(), std::vector<float>(3, 0));
}

TEST(LayerNormTest, LargeMeanDoesNotDrownTheVariance) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(10000.0f + static_cast<float>(i % 2));
  const Variable one(Array::Full({100}, kFloat32, 1)), zero(Array::Zeros({100}, kFloat32));
  const std::vector<float> y =
      LayerNorm(Variable(Array::From({1, 100}, values)), one, zero, 0).array().ToVector<float>();
  // The mean may be rounded to a float32 beside 10000.5, 2^-11 away at most and so 2^-10 deviations.
  for (int i = 0; i < 100; ++i) EXPECT_NEAR(y[i], i % 2 == 0 ? -1 : 1, 0x1.1p-10);
}

TEST(LayerNormTest, BFloat16ActivationsWithFloat32Parameters) {
  const Array x = RandomArray({9, 24}, kBFloat16, RandomKey(20)), gamma = RandomArray({24}, kFloat32, RandomKey(21)),
              beta = RandomArray({24}, kFloat32, RandomKey(22));
  std::vector<float> widened;
  for (BFloat16 value : x.ToVector<BFloat16>()) widened.push_back(static_cast<float>(value));
  Tape tape;
  Variable g = tape.Watch(gamma), v = tape.Watch(x);
  const Variable y = LayerNorm(v, g, beta, 1e-5);
  EXPECT_EQ(y.dtype(), kBFloat16);
  // The same numbers, computed in float32, but for the rounding at the end.
  EXPECT_TRUE(AllClose(y.array(), LayerNorm(Variable(Array::From(x.shape(), widened)), gamma, beta, 1e-5).array(),
                       1.1 * testing::UnitRoundoff(kBFloat16)));
  tape.Backward(y, Array::Full(y.shape(), kBFloat16, 1));
  EXPECT_EQ(tape.Gradient(g).dtype(), kFloat32);
  EXPECT_EQ(tape.Gradient(v).dtype(), kBFloat16);
}

TEST(LayerNormTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({5000, 24}, kFloat32, RandomKey(1)), dy = RandomArray({5000, 24}, kFloat32, RandomKey(2));
  const Array gamma = RandomArray({24}, kFloat32, RandomKey(3)), beta = RandomArray({24}, kFloat32, RandomKey(4));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x), g = tape.Watch(gamma);
    const Variable y = LayerNorm(v, g, beta, 1e-5);
    tape.Backward(y, dy);
    return std::vector<Array>{y.array(), tape.Gradient(v), tape.Gradient(g)};
  }));
}

TEST(LayerNormTest, SavesTheInputAndTwoNumbersARow) {
  Parameter gamma(Array::Full({64}, kFloat32, 1)), beta(Array::Zeros({64}, kFloat32));
  Tape tape;
  const Variable x = tape.Watch(Array::Zeros({1024, 64}, kFloat32));
  LayerNorm(x, gamma, beta, 1e-6);
  EXPECT_EQ(tape.SavedBytes(), (1024 * 64 + 2 * 1024) * 4);
}

TEST(LayerNormTest, Misuse) {
  const Variable x(Array::Zeros({2, 3}, kFloat32)), three(Array::Zeros({3}, kFloat32)),
      four(Array::Zeros({4}, kFloat32)), wide(Array::Zeros({3}, kFloat64)), integers(Array::Zeros({2, 3}, kInt32));
  ExpectError([&] { LayerNorm(x, four, four, 1e-5); }, "LayerNorm: c is 3 in x [2, 3] but 4 in gamma [4]");
  ExpectError([&] { LayerNorm(x, three, four, 1e-5); }, "LayerNorm: c is 3 in x [2, 3] but 4 in beta [4]");
  ExpectError([&] { LayerNorm(x, wide, wide, 1e-5); }, "LayerNorm: gamma is float64 [3] for x float32 [2, 3]");
  ExpectError([&] { LayerNorm(x, three, wide, 1e-5); }, "LayerNorm: operands are float32 [3] and float64 [3]");
  ExpectError([&] { LayerNorm(integers, three, three, 1e-5); }, "LayerNorm: needs a floating dtype, not int32 [2, 3]");
}

}  // namespace
}  // namespace autograd
