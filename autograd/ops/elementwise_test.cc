#include "autograd/ops/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::InputSpec;
using testing::OpCase;

OpCase Unary(const std::string& name, Variable (*function)(const Variable&), double low = -3, double high = 3) {
  return OpCase{name, [function](Inputs x) { return function(x[0]); }, {InputSpec{{3, 17}, low, high}}, 1e-6, 1e-4,
                true};
}

// Kinked functions get inputs that stay away from zero.
OpCase Kinked(const std::string& name, std::function<Variable(Inputs)> function) {
  return OpCase{name, std::move(function), {InputSpec{.shape = {5, 7}, .separation = 0.1}}};
}

OP_CONTRACT(Elementwise, Unary("Negative", Negative), Unary("Square", Square), Unary("SquareRoot", SquareRoot, 0.1, 4),
            Unary("Reciprocal", Reciprocal, 0.5, 3), Unary("Exponential", Exponential),
            Unary("Logarithm", Logarithm, 0.5, 4), Unary("Tanh", Tanh), Unary("Sigmoid", Sigmoid),
            Unary("Softplus", Softplus), Unary("Gelu", Gelu), Unary("Silu", Silu),
            Kinked("Absolute", [](Inputs x) { return Absolute(x[0]); }),
            Kinked("Relu", [](Inputs x) { return Relu(x[0]); }),
            Kinked("LeakyRelu", [](Inputs x) { return LeakyRelu(x[0], 0.1); }),
            Kinked("Clamp", [](Inputs x) { return Clamp(x[0], -0.5, 1.0); }),
            OpCase{"Affine", [](Inputs x) { return Affine(x[0], 2.5, -1); }, {{{7}}}},
            OpCase{"Empty", [](Inputs x) { return Gelu(x[0]); }, {{{0, 3}}}},
            OpCase{"Scalar", [](Inputs x) { return Tanh(x[0]); }, {{{}}}},
            OpCase{"LongerThanAGrain", [](Inputs x) { return Silu(x[0]); }, {{{40000}}}});

OpCase Binary(const std::string& name, Variable (*function)(const Variable&, const Variable&), Shape x, Shape z,
              double low = -1) {
  return OpCase{name,
                [function](Inputs v) { return function(v[0], v[1]); },
                {InputSpec{x, low, 2}, InputSpec{z, low, 2}},
                1e-6,
                1e-4,
                true};
}

OP_CONTRACT(Broadcasting, Binary("AddSame", Add, {3, 5}, {3, 5}), Binary("AddBias", Add, {2, 3, 4, 5}, {5}),
            Binary("AddRowsAndColumns", Add, {4, 1}, {1, 3}), Binary("SubtractSame", Subtract, {7}, {7}),
            Binary("SubtractScalar", Subtract, {}, {2, 3}), Binary("MultiplySame", Multiply, {2, 9}, {2, 9}),
            Binary("MultiplyPerImage", Multiply, {2, 3, 3, 4}, {2, 1, 1, 4}),
            Binary("MultiplyMiddle", Multiply, {2, 3, 4}, {3, 1}),
            Binary("MultiplyBothRepeat", Multiply, {2, 1, 3, 1}, {1, 4, 1, 5}),
            Binary("DivideSame", Divide, {11}, {11}, 0.5), Binary("DivideRow", Divide, {3, 4}, {4}, 0.5),
            Binary("Empty", Multiply, {0, 4}, {4}),
            OpCase{"Maximum",
                   [](Inputs v) { return Maximum(v[0], v[1]); },
                   {InputSpec{{4, 9}, 0, 1}, InputSpec{{4, 1}, 0.45, 0.55}}},
            OpCase{"Minimum",
                   [](Inputs v) { return Minimum(v[0], v[1]); },
                   {InputSpec{{4, 9}, 0, 1}, InputSpec{{9}, 0.45, 0.55}}},
            OpCase{"SameOperandTwice", [](Inputs v) { return Multiply(v[0], v[0]) + v[0]; }, {{{6}}}});

TEST(ElementwiseTest, GeluIsTheErfForm) {
  const std::vector<float> y =
      Gelu(Variable(Array::From<float>({7}, {-3, -1, -0.5, 0.5, 1, 2, 3}))).array().ToVector<float>();
  const float expected[] = {-0.0040497f, -0.1586553f, -0.1542688f, 0.3457312f, 0.8413447f, 1.9544997f, 2.9959503f};
  for (int i = 0; i < 7; ++i) EXPECT_NEAR(y[i], expected[i], 2e-7);
}

TEST(ElementwiseTest, FloatFunctionsMatchLibm) {
  std::vector<float> x;
  for (int i = -4000; i <= 4000; ++i) x.push_back(static_cast<float>(i) * 0.01f);
  const Variable v(Array::From<float>({static_cast<int64_t>(x.size())}, x));
  const auto exponential = Exponential(v).array().ToVector<float>(), tanh = Tanh(v).array().ToVector<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(exponential[i] / std::exp(static_cast<double>(x[i])), 1, 2e-7) << x[i];
    EXPECT_NEAR(tanh[i], std::tanh(static_cast<double>(x[i])), 2e-7) << x[i];
    EXPECT_NEAR(math::Erf(x[i]), std::erf(static_cast<double>(x[i])), 2e-7) << x[i];
  }
}

TEST(ElementwiseTest, Misuse) {
  const Variable a(Array::Zeros({2, 3}, kFloat32)), b(Array::Zeros({4}, kFloat32)), c(Array::Zeros({3}, kFloat64)),
      d(Array::Zeros({3}, kInt32));
  ExpectError([&] { Add(a, b); }, "Add: shapes [2, 3] and [4] do not broadcast");
  ExpectError([&] { Multiply(a, c); }, "Multiply: operands are float32 [2, 3] and float64 [3]");
  ExpectError([&] { Relu(d); }, "Relu: needs a floating dtype, not int32 [3]");
}

}  // namespace
}  // namespace autograd
