#include "rl/objectives/policy_gradient.h"

#include <gtest/gtest.h>

#include <vector>

#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::OpCase;

OP_CONTRACT(PolicyGradient,
            OpCase{"Plain",
                   [](Inputs x) { return PolicyGradient(x[0], x[1].array()); },
                   {{{3, 4, 5}}, {{3, 4, 5}, -2, 2, false}}},
            OpCase{"WithEntropy",
                   [](Inputs x) { return PolicyGradient(x[0], x[1].array(), x[2], 0.3); },
                   {{{3, 4, 5}}, {{3, 4, 5}, -2, 2, false}, {{4, 5}}}});

TEST(PolicyGradientTest, ByHand) {
  Tape tape;
  const Variable log_probability = tape.Watch(Array::From<double>({2, 2}, {-1, -2, -3, -4}));
  const Variable entropy = tape.Watch(Array::From<double>({2}, {0.5, 0.25}));
  const Variable y = PolicyGradient(log_probability, Array::From<double>({2, 2}, {1, -1, 2, 0}), entropy, 0.5);
  tape.Backward(y, Array::Full({2, 2}, kFloat64, 1));
  EXPECT_EQ(y.array().ToVector<double>(), (std::vector<double>{0.75, -2.125, 5.75, -0.125}));
  EXPECT_EQ(tape.Gradient(log_probability).ToVector<double>(), (std::vector<double>{-1, 1, -2, 0}));
  EXPECT_EQ(tape.Gradient(entropy).ToVector<double>(), (std::vector<double>{-1, -1}));
}

TEST(PolicyGradientTest, Misuse) {
  ExpectError([] { PolicyGradient(Array::Zeros({2}, kFloat32), Array::Zeros({3}, kFloat32)); }, "PolicyGradient");
  ExpectError([] { PolicyGradient(Array::Zeros({2}, kFloat32), Array::Zeros({2}, kFloat64)); }, "PolicyGradient");
}

}  // namespace
}  // namespace rl
