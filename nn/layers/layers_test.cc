#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/linear.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/convolution.h"
#include "nn/layers/dropout.h"
#include "nn/layers/evaluation_scope.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"

namespace nn {
namespace {

using autograd::Tape;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;
using Floats = std::vector<float>;

const RandomKey kKey(11);

template <Module M>
std::vector<std::string> FieldNames(M& module) {
  std::vector<std::string> names;
  for (const NamedParameter& named : NamedParameters(module)) names.push_back(named.name);
  for (const NamedBuffer& named : NamedBuffers(module)) names.push_back(named.name);
  return names;
}

// For a layer with statistics, scales and shifts that are not those of a new one. Both sides round a sum of 9·5
// products of numbers below 1 that a scale below 2 multiplies, less a mean below 1 times that scale, plus a shift below
// 1.
TEST(EvaluationScope, FoldsANormalisationIntoItsConvolution) {
  for (const bool relu : {false, true}) {
    ConvNormAct layer(5, 7, 3, {.stride = 2, .relu = relu}, kKey);
    uint64_t draw = 0;
    const auto random = [&](const Shape& shape, double low) {
      return RandomArray(shape, autograd::kFloat32, kKey.Split(++draw), low);
    };
    for (Parameter* parameter : {&layer.conv.weight, &layer.bn.weight, &layer.bn.bias})
      parameter->Set(random(parameter->shape(), -1));
    layer.bn.running_mean.CopyFrom(random({7}, -1));
    layer.bn.running_variance.CopyFrom(random({7}, 0.25));
    const Array x = random({2, 9, 6, 5}, -1);
    const std::vector<float> apart = layer(x, Context()).array().ToVector<float>();
    EvaluationScope scope;
    const std::vector<float> together = layer(x, Context()).array().ToVector<float>();
    const double bound = 2 * autograd::testing::RoundingOfSum(autograd::kFloat32, 9 * 5 + 4) * (9 * 5 * 2 + 2 + 1);
    bool equal = true;
    for (size_t i = 0; i < apart.size(); ++i) {
      ASSERT_NEAR(apart[i], together[i], bound) << i;
      equal = equal && apart[i] == together[i];
    }
    EXPECT_FALSE(equal) << "nothing was folded";
    {
      // A scope inside another is that one: what is prepared stays as it is.
      EvaluationScope inner;
      EXPECT_EQ(EvaluationScope::Current(), &scope);
      EXPECT_EQ(together, layer(x, Context()).array().ToVector<float>());
    }
    // With a tape, and in training, nothing is folded.
    {
      Tape tape;
      EXPECT_EQ(apart, layer(x, Context()).array().ToVector<float>());
    }
    layer.bn.bias.Set(autograd::Array::Full({7}, autograd::kFloat32, 100));
    ExpectError([&] { layer(x, Context()); }, "EvaluationScope: a weight [7, 3, 3, 5] has changed");
  }
  EXPECT_EQ(EvaluationScope::Current(), nullptr);
}

// Against float64, for as few rows as make the CPU keep a weight in another layout, if it has one. Twice each: once
// when the layout is made and once when it is there, with the same bits.
TEST(EvaluationScope, KeptWeightsGiveTheSameProducts) {
  for (const autograd::DType dtype : {autograd::kFloat32, autograd::kBFloat16}) {
    for (const int64_t rows : {1, 16, 70, 300}) {
      for (const bool with_bias : {false, true}) {
        const int64_t inputs = 130, outputs = 389;
        Linear linear(inputs, outputs, {.bias = with_bias}, kKey);
        const Variable x = autograd::Cast(RandomArray({rows, inputs}, autograd::kFloat32, kKey.Split("x")), dtype);
        for (const autograd::Activation activation : {autograd::Activation::kNone, autograd::Activation::kRelu}) {
          EvaluationScope scope;
          const Array first = linear(x, activation).array(), second = linear(x, activation).array();
          EXPECT_TRUE(AllClose(autograd::Cast(first, autograd::kFloat32).array(),
                               autograd::Cast(second, autograd::kFloat32).array(), 0, 0));
          const auto wide = [&](Parameter& parameter) {
            if (!parameter.defined()) return Variable();
            return autograd::Cast(autograd::Cast(Variable(parameter.value()), dtype), autograd::kFloat64);
          };
          const Array expected = autograd::Linear(autograd::Cast(x, autograd::kFloat64), wide(linear.weight),
                                                  wide(linear.bias), activation)
                                     .array();
          // Sums of 131 terms below 1 in float32, rounded to the dtype.
          const double rounding =
              autograd::testing::RoundingOfSum(autograd::kFloat32, inputs + 1) * (inputs + 1) +
              (dtype == autograd::kBFloat16 ? autograd::testing::UnitRoundoff(dtype) * (inputs + 1) : 0);
          EXPECT_TRUE(AllClose(autograd::Cast(first, autograd::kFloat64).array(), expected, 0, rounding));
        }
      }
    }
    // Small images, so that the filter is kept.
    Conv2d conv(64, 96, 3, {.padding = 1}, kKey);
    const Variable x = autograd::Cast(RandomArray({1, 9, 7, 64}, autograd::kFloat32, kKey.Split("image")), dtype);
    const Array plain = autograd::Cast(conv(x), autograd::kFloat32).array();
    EvaluationScope scope;
    for (int i = 0; i < 2; ++i)
      EXPECT_TRUE(AllClose(autograd::Cast(conv(x), autograd::kFloat32).array(), plain, 0, 0)) << i;
  }
}

TEST(EvaluationScope, AChangedWeightIsAnError) {
  Linear linear(3, 4, {}, kKey);
  const Array x = RandomArray({2, 3}, autograd::kFloat32, kKey);
  EvaluationScope scope;
  linear(x);
  linear.weight.mutable_value().CopyFrom(Array::Full({4, 3}, autograd::kFloat32, 1));
  linear.weight.Changed();
  ExpectError([&] { linear(x); }, "EvaluationScope: a weight [4, 3] has changed during the evaluation");
}

TEST(Linear, IsAnAffineMapOfTheLastAxis) {
  Linear linear(2, 3, {}, kKey);
  linear.weight.Set(Array::From({3, 2}, Floats{1, 2, 3, 4, 5, 6}));
  linear.bias.Set(Array::From({3}, Floats{0.5, 0, -1}));
  const Variable y = linear(Array::From({1, 2, 1, 2}, Floats{1, 1, 1, -1}));
  EXPECT_EQ(y.shape(), (Shape{1, 2, 1, 3}));
  EXPECT_EQ(y.array().ToVector<float>(), (Floats{3.5, 7, 10, -0.5, -1, -2}));
  EXPECT_EQ(linear(Array::From({1, 2}, Floats{1, -1}), autograd::Activation::kRelu).array().ToVector<float>(),
            (Floats{0, 0, 0}));
}

TEST(Linear, InitialValuesFollowTheOptions) {
  Linear linear(100, 40, {.weight_initializer = Constant(2), .bias_initializer = Zeros()}, kKey);
  EXPECT_EQ(linear.weight.value().data<float>()[39], 2);
  EXPECT_EQ(linear.bias.value().data<float>()[39], 0);
  Linear plain(100, 40, {.bias = false}, kKey);
  EXPECT_EQ(FieldNames(plain), (std::vector<std::string>{"weight"}));
  for (float value : plain.weight.value().ToVector<float>()) EXPECT_LE(std::abs(value), 0.1f);  // 1/√100
  EXPECT_EQ(NamedParameters(plain)[0].layout, Layout::kLinear);
}

TEST(Linear, ComputesInTheTypeOfItsInput) {
  Linear linear(3, 2, {}, kKey);
  const Array x = Array::Full({4, 3}, autograd::kBFloat16, 0.5);
  Tape tape;
  const Variable y = linear(x);
  EXPECT_EQ(y.dtype(), autograd::kBFloat16);
  tape.Backward(y, Array::Full({4, 2}, autograd::kBFloat16, 1));
  EXPECT_EQ(linear.weight.gradient().dtype(), autograd::kFloat32);
  EXPECT_EQ(linear.weight.gradient().ToVector<float>(), Floats(6, 2));
  EXPECT_EQ(linear.bias.gradient().ToVector<float>(), Floats(2, 4));
}

TEST(Conv2d, SumsItsWindow) {
  Conv2d conv(2, 1, 3, {.padding = 1, .bias = false, .weight_initializer = Ones()}, kKey);
  EXPECT_EQ(conv.weight.shape(), (Shape{1, 3, 3, 2}));
  const Variable y = conv(Array::Full({1, 3, 3, 2}, autograd::kFloat32, 1));
  EXPECT_EQ(y.array().ToVector<float>(), (Floats{8, 12, 8, 12, 18, 12, 8, 12, 8}));
}

TEST(Conv2d, PassesItsGeometryOn) {
  Conv2d conv(4, 6, 3, {.stride = 2, .padding = 2, .dilation = 2, .groups = 2}, kKey);
  EXPECT_EQ(conv.weight.shape(), (Shape{6, 3, 3, 2}));
  EXPECT_EQ(conv(Array::Zeros({2, 9, 7, 4}, autograd::kFloat32)).shape(), (Shape{2, 5, 4, 6}));
  for (float value : conv.weight.value().ToVector<float>()) EXPECT_LE(std::abs(value), 1 / std::sqrt(18.0f));
  EXPECT_THROW(Conv2d(4, 6, 3, {.groups = 4}, kKey), autograd::Error);
}

TEST(Conv2d, OfOnePixelIsLinear) {
  Conv2d conv(5, 3, 1, {}, kKey);
  Linear linear(5, 3, {}, kKey);
  linear.weight.Set(conv.weight.value().Reshape(Shape{3, 5}).Copy());
  linear.bias.Set(conv.bias.value().Copy());
  const Array x = RandomArray({2, 4, 3, 5}, autograd::kFloat32, kKey);
  // Two sums of 5 products and a bias, all below 1, perhaps in two orders.
  const double rounding = 2 * autograd::testing::RoundingOfSum(autograd::kFloat32, 6) * 6;
  EXPECT_TRUE(autograd::testing::AllClose(conv(x).array(), linear(x).array(), 0, rounding));
}

TEST(DepthwiseConv2d, KeepsTheSize) {
  DepthwiseConv2d conv(2, 3, {.weight_initializer = Ones(), .bias_initializer = Constant(1)}, kKey);
  EXPECT_EQ(conv.weight.shape(), (Shape{3, 3, 2}));
  const Variable y = conv(Array::From({1, 2, 2, 2}, Floats{1, 10, 2, 20, 3, 30, 4, 40}));
  EXPECT_EQ(y.array().ToVector<float>(), (Floats{11, 101, 11, 101, 11, 101, 11, 101}));
  EXPECT_EQ(NamedParameters(conv)[0].layout, Layout::kDepthwiseConv2d);
  DepthwiseConv2d strided(2, 7, {.stride = 2}, kKey);
  EXPECT_EQ(strided(Array::Zeros({1, 9, 8, 2}, autograd::kFloat32)).shape(), (Shape{1, 5, 4, 2}));
}

TEST(Normalization, LayerNormByHand) {
  LayerNorm norm(2, 0);
  norm.weight.Set(Array::From({2}, Floats{2, 1}));
  norm.bias.Set(Array::From({2}, Floats{0, 5}));
  const Variable y = norm(Array::From({2, 2}, Floats{1, 3, 10, 4}));
  EXPECT_TRUE(autograd::testing::AllClose(y.array(), Array::From({2, 2}, Floats{-2, 6, 2, 4}), 1e-6));
  EXPECT_EQ(FieldNames(norm), (std::vector<std::string>{"weight", "bias"}));
}

TEST(Normalization, GroupNormByHand) {
  GroupNorm norm(2, 4, 0);
  const Variable y = norm(Array::From({1, 1, 1, 4}, Floats{1, 3, 100, 50}));
  EXPECT_TRUE(autograd::testing::AllClose(y.array(), Array::From({1, 1, 1, 4}, Floats{-1, 1, 1, -1}), 1e-6));
}

TEST(Normalization, BatchNormMovesItsStatisticsInTrainingOnly) {
  BatchNorm2d norm(1, {.epsilon = 0, .momentum = 0.1});
  const Array x = Array::From({2, 1, 2, 1}, Floats{1, 2, 3, 6});  // mean 3, variance 3.5, unbiased 14/3
  const Variable y = norm(x, Context::Training(kKey));
  EXPECT_NEAR(y.array().data<float>()[3], 3 / std::sqrt(3.5), 1e-6);
  EXPECT_NEAR(norm.running_mean.Item(), 0.3, 1e-6);
  EXPECT_NEAR(norm.running_variance.Item(), 0.9 + 0.1 * 14 / 3, 1e-6);
  EXPECT_EQ(norm.batches_tracked.Item(), 1);
  const Variable evaluated = norm(x, Context());
  EXPECT_NEAR(evaluated.array().data<float>()[0], (1 - 0.3) / std::sqrt(0.9 + 1.4 / 3), 1e-6);
  EXPECT_EQ(norm.batches_tracked.Item(), 1);
  EXPECT_NEAR(norm.running_mean.Item(), 0.3, 1e-6);
  EXPECT_EQ(norm(x, Context(), true).array().data<float>()[0] > 0, true);
  EXPECT_EQ(FieldNames(norm),
            (std::vector<std::string>{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}));
}

// facts: two channels, 2×2 map, weight 0.1, bias 0.2: 1.355198 for the first element. Here of GELU's output, computed
// in double.
TEST(Normalization, GrnAfterGeluByFormula) {
  Grn grn(2);
  const Floats values{1, 0.5, 2, -0.5, 3, 1, 4, -1};
  const Array x = Array::From({1, 2, 2, 2}, values);
  EXPECT_TRUE(autograd::testing::AllClose(grn.AfterGelu(x).array(), autograd::Gelu(Variable(x)).array(),
                                          1e-6));  // the identity at first
  grn.weight.Set(Array::Full({2}, autograd::kFloat32, 0.1));
  grn.bias.Set(Array::Full({2}, autograd::kFloat32, 0.2));
  const Floats y = grn.AfterGelu(x).array().ToVector<float>();
  double gelu[8], norm[2] = {};
  for (int i = 0; i < 8; ++i) {
    gelu[i] = 0.5 * values[i] * (1 + std::erf(values[i] / std::sqrt(2.0)));
    norm[i % 2] += gelu[i] * gelu[i];
  }
  const double mean = (std::sqrt(norm[0]) + std::sqrt(norm[1])) / 2 + 1e-6;
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(y[i], gelu[i] + 0.2 + 0.1 * gelu[i] * std::sqrt(norm[i % 2]) / mean, 1e-5);
}

TEST(Dropout, IsTheIdentityInEvaluationAndKeyedInTraining) {
  const Array x = Array::Full({4, 8, 8, 16}, autograd::kFloat32, 1);
  const Dropout dropout{0.25};
  EXPECT_EQ(dropout(x, Context()).array().ToVector<float>(), x.ToVector<float>());
  const Floats first = dropout(x, Context::Training(kKey)).array().ToVector<float>();
  EXPECT_EQ(first, dropout(x, Context::Training(kKey)).array().ToVector<float>());
  EXPECT_NE(first, dropout(x, Context::Training(kKey).Split(1)).array().ToVector<float>());
  double sum = 0;
  for (float value : first) {
    EXPECT_TRUE(value == 0 || std::abs(value - 4.0f / 3) < 1e-6);
    sum += value;
  }
  EXPECT_NEAR(sum / 4096, 1, 5 * std::sqrt(0.25 / 0.75 / 4096));  // five standard errors
}

TEST(Dropout, DropPathDropsWholeSamplesAndDropout2dWholeChannels) {
  const Array x = Array::Full({64, 2, 2, 3}, autograd::kFloat32, 1);
  const Floats paths = DropPath{0.5}(x, Context::Training(kKey)).array().ToVector<float>();
  const Floats channels = Dropout2d{0.5}(x, Context::Training(kKey)).array().ToVector<float>();
  int dropped = 0;
  for (int n = 0; n < 64; ++n) {
    dropped += paths[n * 12] == 0;
    for (int i = 0; i < 12; ++i) {
      EXPECT_EQ(paths[n * 12 + i], paths[n * 12]);
      EXPECT_EQ(channels[n * 12 + i], channels[n * 12 + i % 3]);
    }
  }
  EXPECT_NEAR(dropped, 32, 5 * std::sqrt(64 * 0.25));  // five standard deviations
  EXPECT_EQ(DropPathRate(0.3, 0, 4), 0);
  EXPECT_DOUBLE_EQ(DropPathRate(0.3, 1, 4), 0.1);
  EXPECT_DOUBLE_EQ(DropPathRate(0.3, 3, 4), 0.3);
  EXPECT_EQ(DropPathRate(0.3, 0, 1), 0);
}

TEST(ConvNormAct, KeepsTheSizeAndIsPositive) {
  ConvNormAct block(4, 6, 3, {.dilation = 2}, kKey);
  const Array x = RandomArray({2, 5, 7, 4}, autograd::kFloat32, kKey);
  const Variable y = block(x, Context::Training(kKey));
  EXPECT_EQ(y.shape(), (Shape{2, 5, 7, 6}));
  float lowest = 1, highest = 0;
  for (float value : y.array().ToVector<float>()) {
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  EXPECT_EQ(lowest, 0);
  EXPECT_GT(highest, 1);
  EXPECT_EQ(FieldNames(block), (std::vector<std::string>{"conv.weight", "bn.weight", "bn.bias", "bn.running_mean",
                                                         "bn.running_var", "bn.num_batches_tracked"}));
  ConvNormAct linear(4, 6, 1, {.stride = 2, .relu = false}, kKey);
  const Floats values = linear(x, Context::Training(kKey)).array().ToVector<float>();
  EXPECT_EQ(values.size(), 2u * 3 * 4 * 6);
  EXPECT_LT(*std::min_element(values.begin(), values.end()), 0);
  EXPECT_THROW(ConvNormAct(4, 6, 2, {}, kKey), autograd::Error);
}

}  // namespace
}  // namespace nn
