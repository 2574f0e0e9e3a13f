#include "autograd/ops/linear.h"

#include <gtest/gtest.h>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/matmul.h"
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

OpCase Case(const std::string& name, Shape x, Shape weight, Activation activation = Activation::kNone) {
  return OpCase{
      name,
      [=](Inputs v) { return Linear(v[0], v[1], v[2], activation); },
      {{x}, {weight}, {{weight[0]}}},
      1e-6,
      1e-4,
      activation != Activation::kRelu};  // in bfloat16 a value near zero may fall on the other side of the kink
}

OP_CONTRACT(Linear, Case("Rows", {3, 5}, {7, 5}), Case("Image", {2, 3, 4, 5}, {6, 5}), Case("OneRow", {1, 17}, {3, 17}),
            Case("NoRows", {0, 5}, {7, 5}), Case("OneOutput", {13, 9}, {1, 9}),
            Case("Gelu", {5, 7}, {11, 7}, Activation::kGelu), Case("Relu", {4, 3}, {5, 3}, Activation::kRelu),
            Case("RowBlocks", {2500, 3}, {65, 3}, Activation::kGelu), Case("CutByColumns", {70, 129}, {1030, 129}),
            OpCase{"NoBias", [](Inputs v) { return Linear(v[0], v[1]); }, {{{3, 5}}, {{7, 5}}}},
            OpCase{"NoBiasGelu",
                   [](Inputs v) { return Linear(v[0], v[1], Variable(), Activation::kGelu); },
                   {{{3, 5}}, {{7, 5}}}});

TEST(LinearTest, FusedActivationsEqualTheirOps) {
  const RandomKey key(5);
  const Variable x(RandomArray({700, 33}, kFloat32, key.Split("x"))),
      weight(RandomArray({200, 33}, kFloat32, key.Split("weight"))),
      bias(RandomArray({200}, kFloat32, key.Split("bias")));
  const Variable plain = Add(MatMul(x, weight, false, true), bias);
  // Two sums of 33 products and a bias, all below 1, perhaps in two orders; no activation is steeper than 1.13.
  const double rounding = 1.13 * 2 * testing::RoundingOfSum(kFloat32, 34) * 34;
  EXPECT_TRUE(AllClose(Linear(x, weight, bias).array(), plain.array(), 0, rounding));
  EXPECT_TRUE(AllClose(Linear(x, weight, bias, Activation::kGelu).array(), Gelu(plain).array(), 0, rounding));
  EXPECT_TRUE(AllClose(Linear(x, weight, bias, Activation::kRelu).array(), Relu(plain).array(), 0, rounding));
}

TEST(LinearTest, SavesOnlyWhatItsGradientNeeds) {
  const Array x = Array::Zeros({64, 32}, kFloat32);
  Parameter weight(Array::Zeros({16, 32}, kFloat32)), bias(Array::Zeros({16}, kFloat32));
  const auto saved = [&](Activation activation) {
    Tape tape;
    const Variable y = Linear(x, weight, bias, activation);
    return tape.SavedBytes();
  };
  EXPECT_EQ(saved(Activation::kNone), 64 * 32 * 4);
  EXPECT_EQ(saved(Activation::kRelu), 64 * (32 + 16) * 4);
  EXPECT_EQ(saved(Activation::kGelu), 64 * (32 + 16) * 4);
}

TEST(LinearTest, SameBitsForAnyThreadCount) {
  const RandomKey key(6);
  const Variable x(RandomArray({3000, 80}, kFloat32, key.Split("x"))),
      weight(RandomArray({320, 80}, kFloat32, key.Split("weight"))),
      bias(RandomArray({320}, kFloat32, key.Split("bias")));
  EXPECT_TRUE(testing::SameForThreadCounts(
      [&] { return std::vector<Array>{Linear(x, weight, bias, Activation::kGelu).array()}; }));
}

TEST(LinearTest, Misuse) {
  const Variable x(Array::Zeros({2, 3}, kFloat32)), weight(Array::Zeros({5, 4}, kFloat32)),
      fit(Array::Zeros({5, 3}, kFloat32)), bias(Array::Zeros({3}, kFloat32)), whole(Array::Zeros({5, 3}, kInt32));
  ExpectError([&] { Linear(x, weight); }, "Linear: k is 3 in x [2, 3] but 4 in weight [5, 4]");
  ExpectError([&] { Linear(x, fit, bias); }, "Linear: o is 5 in weight [5, 3] but 3 in bias [3]");
  ExpectError([&] { Linear(x, whole); }, "Linear");
}

}  // namespace
}  // namespace autograd
