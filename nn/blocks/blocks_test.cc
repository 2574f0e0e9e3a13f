#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "autograd/testing/op_contract.h"
#include "nn/blocks/convnext_v2_block.h"
#include "nn/blocks/self_attention.h"

namespace nn {
namespace {

using autograd::testing::AllClose;
using autograd::testing::RandomArray;
using Floats = std::vector<float>;

const RandomKey kKey(12);

TEST(ConvNeXtV2Block, IsResidual) {
  ConvNeXtV2Block block(6, {}, kKey);
  const Array x = RandomArray({2, 5, 4, 6}, autograd::kFloat32, kKey);
  EXPECT_FALSE(AllClose(block(x, Context()).array(), x, 1e-6));
  block.fc2.weight.Set(Array::Zeros({6, 24}, autograd::kFloat32));
  EXPECT_TRUE(AllClose(block(x, Context()).array(), x, 0));
  // At the highest rate nearly every sample takes the shortcut alone.
  ConvNeXtV2Block dropped(6, {.drop_path = 0.999}, kKey);
  EXPECT_TRUE(AllClose(dropped(x, Context::Training(kKey)).array(), x, 0));
}

TEST(ConvNeXtV2Block, NamesItsPartsAsTimm) {
  ConvNeXtV2Block block(6, {}, kKey);
  std::vector<std::string> names;
  for (const NamedParameter& named : NamedParameters(block)) names.push_back(named.name);
  EXPECT_EQ(names, (std::vector<std::string>{"conv_dw.weight", "conv_dw.bias", "norm.weight", "norm.bias",
                                             "mlp.fc1.weight", "mlp.fc1.bias", "mlp.grn.weight", "mlp.grn.bias",
                                             "mlp.fc2.weight", "mlp.fc2.bias"}));
  EXPECT_EQ(NamedParameters(block)[4].layout, Layout::kPointwiseConv2d);
}

// Every pair of pixels, in double.
TEST(SelfAttention, ByDefinition) {
  constexpr int kTokens = 6, kInputs = 4, kKeys = 3, kOutputs = 5;
  SelfAttention attention(kInputs, kOutputs, {.key_width = kKeys, .shared_initial_values = false}, kKey);
  attention.query.bias.Set(RandomArray({kKeys}, autograd::kFloat32, kKey.Split(1)));
  attention.value.bias.Set(RandomArray({kOutputs}, autograd::kFloat32, kKey.Split(2)));
  const Array x = RandomArray({2, 3, 2, kInputs}, autograd::kFloat32, kKey, -2, 2);
  const Floats pixels = x.ToVector<float>();
  const auto project = [&](Linear& linear, int token, int output) {
    double sum = linear.bias.value().data<float>()[output];
    for (int c = 0; c < kInputs; ++c)
      sum += linear.weight.value().data<float>()[output * kInputs + c] * pixels[token * kInputs + c];
    return sum;
  };
  const Variable y = attention(x);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 2, kOutputs}));
  const Floats values = y.array().ToVector<float>();
  for (int n = 0; n < 2; ++n) {
    for (int i = n * kTokens; i < (n + 1) * kTokens; ++i) {
      double total = 0, expected[kOutputs] = {};
      for (int j = n * kTokens; j < (n + 1) * kTokens; ++j) {
        double score = 0;
        for (int d = 0; d < kKeys; ++d) score += project(attention.query, i, d) * project(attention.key, j, d);
        total += std::exp(score);
        for (int c = 0; c < kOutputs; ++c) expected[c] += std::exp(score) * project(attention.value, j, c);
      }
      for (int c = 0; c < kOutputs; ++c)
        EXPECT_NEAR(values[i * kOutputs + c], expected[c] / total, 1e-5) << i << " " << c;
    }
  }
}

TEST(SelfAttention, QueryAndKeyBeginEqualAndAreTwoParameters) {
  SelfAttention shared(8, 8, {.key_width = 4}, kKey),
      separate(8, 8, {.key_width = 4, .shared_initial_values = false}, kKey);
  EXPECT_EQ(shared.query.weight.value().ToVector<float>(), shared.key.weight.value().ToVector<float>());
  EXPECT_NE(separate.query.weight.value().ToVector<float>(), separate.key.weight.value().ToVector<float>());
  shared.query.weight.mutable_value().data<float>()[0] += 1;
  EXPECT_NE(shared.query.weight.value().ToVector<float>(), shared.key.weight.value().ToVector<float>());
  EXPECT_EQ(ParameterCount(shared), 2 * (8 * 4 + 4) + 8 * 8 + 8);
  EXPECT_EQ(SelfAttention(8, 8, {.key_width = 16, .scale = true}, kKey).scale, 0.25);
}

}  // namespace
}  // namespace nn
