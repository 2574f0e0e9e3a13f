#include "rl/objectives/value_loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/testing/op_contract.h"
#include "rl/estimators/masked_mean.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::kUInt8;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::OpCase;

OP_CONTRACT(ValueLoss,
            OpCase{"Plain",
                   [](Inputs x) { return ValueLoss(x[0], x[1].array()); },
                   {{{3, 4, 5}}, {{3, 4, 5}, -2, 2, false}}},
            OpCase{"Clipped",
                   [](Inputs x) { return ClippedValueLoss(x[0], x[1].array(), x[2].array(), 0.3); },
                   {{{3, 4, 5}}, {{3, 4, 5}, -1, 1, false}, {{3, 4, 5}, -2, 2, false}}},
            OpCase{"MeanOverWhatCounts",
                   [](Inputs x) { return MaskedMean(ValueLoss(x[0], x[1].array()), x[2].array()); },
                   {{{3, 4, 5}}, {{3, 4, 5}, -2, 2, false}, {{3, 4, 5}, 0, 3, false, kUInt8}}});

TEST(ValueLossTest, ByHand) {
  const std::vector<double> value = {1, 1.5, 0.5, 2, -1}, old = {1, 1, 1, 1, 1}, target = {3, 0, 0.6, 0, -2};
  for (double clip : {0.25, 1e9}) {
    Tape tape;
    const Variable values = tape.Watch(Array::From<double>({5}, value));
    const Variable y = ClippedValueLoss(values, Array::From<double>({5}, old), Array::From<double>({5}, target), clip);
    const std::vector<double> plain = ValueLoss(values, Array::From<double>({5}, target)).array().ToVector<double>();
    tape.Backward(y, Array::Full({5}, kFloat64, 1));
    for (size_t i = 0; i < value.size(); ++i) {
      const double held = old[i] + std::clamp(value[i] - old[i], -clip, clip);
      const double free_loss = std::pow(target[i] - value[i], 2), held_loss = std::pow(target[i] - held, 2);
      EXPECT_NEAR(plain[i], free_loss, 1e-15) << i;
      EXPECT_NEAR(y.array().ToVector<double>()[i], std::max(free_loss, held_loss), 1e-15) << i;
      const bool flows = free_loss >= held_loss;
      EXPECT_NEAR(tape.Gradient(values).ToVector<double>()[i], flows ? 2 * (value[i] - target[i]) : 0, 1e-15) << i;
    }
  }
}

TEST(ValueLossTest, Misuse) {
  const Array x = Array::Zeros({2}, kFloat32);
  ExpectError([&] { ValueLoss(x, Array::Zeros({3}, kFloat32)); }, "ValueLoss");
  ExpectError([&] { ClippedValueLoss(x, x, x, 0); }, "clip is 0");
}

}  // namespace
}  // namespace rl
