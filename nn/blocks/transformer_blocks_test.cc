// The values are compared with timm in tests/golden; here is what that does not show.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "nn/blocks/eva02_block.h"
#include "nn/blocks/transformer_block.h"

namespace nn {
namespace {

using autograd::Tape;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

const RandomKey kKey(15);

std::vector<std::string> Names(const ModuleReference& module) {
  std::vector<std::string> names;
  for (const NamedParameter& named : NamedParameters(module)) names.push_back(named.name);
  return names;
}

RotaryTable Unturned(int64_t tokens, int64_t pairs) {
  return {Array::Full({tokens, pairs}, autograd::kFloat32, 1), Array::Zeros({tokens, pairs}, autograd::kFloat32)};
}

TEST(TransformerBlock, NamesItsPartsAsTimm) {
  TransformerBlock block(6, {.heads = 2, .layer_scale = 1e-5}, kKey);
  EXPECT_EQ(Names(block), (std::vector<std::string>{"norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias",
                                                    "attn.proj.weight", "attn.proj.bias", "ls1.gamma", "norm2.weight",
                                                    "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight",
                                                    "mlp.fc2.bias", "ls2.gamma"}));
  TransformerBlock plain(6, {.heads = 2}, kKey);
  EXPECT_EQ(ParameterCount(plain), 12 * 6 * 6 + 13 * 6);
}

TEST(Eva02Block, NamesItsPartsAsTimm) {
  Eva02Block block(6, {.heads = 3}, kKey);
  EXPECT_EQ(Names(block),
            (std::vector<std::string>{"norm1.weight", "norm1.bias", "attn.q_proj.weight", "attn.q_proj.bias",
                                      "attn.k_proj.weight", "attn.v_proj.weight", "attn.v_proj.bias",
                                      "attn.proj.weight", "attn.proj.bias", "norm2.weight", "norm2.bias",
                                      "mlp.fc1_g.weight", "mlp.fc1_g.bias", "mlp.fc1_x.weight", "mlp.fc1_x.bias",
                                      "mlp.norm.weight", "mlp.norm.bias", "mlp.fc2.weight", "mlp.fc2.bias"}));
  EXPECT_EQ(block.gate.weight.shape()[0], 16);
}

// At the highest rate nearly every sample takes the shortcuts alone.
TEST(TransformerBlock, DropPathDropsBothBranches) {
  const Array x = RandomArray({2, 5, 6}, autograd::kFloat32, kKey);
  TransformerBlock block(6, {.heads = 2, .drop_path = 0.999}, kKey);
  EXPECT_TRUE(AllClose(block(x, Context::Training(kKey)).array(), x, 0));
  EXPECT_FALSE(AllClose(block(x, Context()).array(), x, 1e-3));
  Eva02Block eva(6, {.heads = 3, .drop_path = 0.999}, kKey);
  EXPECT_TRUE(AllClose(eva(x, Unturned(5, 1), Context::Training(kKey)).array(), x, 0));
  EXPECT_FALSE(AllClose(eva(x, Unturned(5, 1), Context()).array(), x, 1e-3));
}

TEST(TransformerBlock, LayerScaleMultipliesTheBranches) {
  const Array x = RandomArray({2, 5, 6}, autograd::kFloat32, kKey);
  TransformerBlock plain(6, {.heads = 2}, kKey), one(6, {.heads = 2, .layer_scale = 1}, kKey),
      tiny(6, {.heads = 2, .layer_scale = 1e-6}, kKey);
  const Array expected = plain(x, Context()).array();
  EXPECT_TRUE(AllClose(one(x, Context()).array(), expected, 0));
  EXPECT_TRUE(AllClose(tiny(x, Context()).array(), x, 1e-5));
}

TEST(TransformerBlock, DropoutIsOffInEvaluation) {
  const Array x = RandomArray({2, 5, 6}, autograd::kFloat32, kKey);
  TransformerBlock block(6, {.heads = 2, .dropout = 0.5}, kKey), plain(6, {.heads = 2}, kKey);
  EXPECT_TRUE(AllClose(block(x, Context()).array(), plain(x, Context()).array(), 0));
  EXPECT_FALSE(AllClose(block(x, Context::Training(kKey)).array(), plain(x, Context()).array(), 1e-3));
}

// The two forms with the same values: the same result, and what the three hold is what the one holds.
TEST(MultiHeadAttention, FusedAndSplitAgree) {
  const Array x = RandomArray({2, 5, 8}, autograd::kFloat32, kKey);
  MultiHeadAttention attention(8, {.heads = 2}, kKey);
  attention.qkv->bias.Set(RandomArray({24}, autograd::kFloat32, kKey.Split(1)));
  const Parameter* const weight = &attention.qkv->weight;
  const Array fused = attention(x, Context()).array();
  {
    SplitProjections split(attention);
    EXPECT_EQ(Names(attention),
              (std::vector<std::string>{"q_proj.weight", "q_proj.bias", "k_proj.weight", "k_proj.bias", "v_proj.weight",
                                        "v_proj.bias", "proj.weight", "proj.bias"}));
    EXPECT_TRUE(AllClose(attention(x, Context()).array(), fused, 1e-6));
    attention.key->weight.mutable_value().data<float>()[3] = 7;
  }
  EXPECT_EQ(&attention.qkv->weight, weight);
  EXPECT_EQ(attention.qkv->weight.value().data<float>()[8 * 8 + 3], 7);
  EXPECT_EQ(Names(attention), (std::vector<std::string>{"qkv.weight", "qkv.bias", "proj.weight", "proj.bias"}));
}

TEST(MultiHeadAttention, FusedAndSplitHaveTheSameGradients) {
  const Array x = RandomArray({2, 5, 8}, autograd::kFloat32, kKey);
  MultiHeadAttention fused(8, {.heads = 2}, kKey), split(8, {.heads = 2, .fused = false}, kKey);
  split.proj.weight.Set(fused.proj.weight.value());
  int64_t row = 0;
  for (Linear* part : {&*split.query, &*split.key, &*split.value}) {
    part->weight.Set(fused.qkv->weight.value().Slice(row, row + 8).Copy());
    row += 8;
  }
  for (MultiHeadAttention* attention : {&fused, &split}) {
    Tape tape;
    tape.Backward(autograd::Sum(autograd::Square((*attention)(x, Context()))));
  }
  const Array gradient = fused.qkv->weight.gradient();
  EXPECT_TRUE(AllClose(gradient.Slice(0, 8), split.query->weight.gradient(), 1e-5, 1e-9));
  EXPECT_TRUE(AllClose(gradient.Slice(8, 16), split.key->weight.gradient(), 1e-5, 1e-9));
  EXPECT_TRUE(AllClose(gradient.Slice(16, 24), split.value->weight.gradient(), 1e-5, 1e-9));
}

TEST(MultiHeadAttention, Misuse) {
  ExpectError([] { MultiHeadAttention(6, {.heads = 4}, kKey); }, "4 heads do not divide 6 channels");
  ExpectError([] { MultiHeadAttention(6, {.heads = 2, .key_bias = false}, kKey); }, "key bias");
}

}  // namespace
}  // namespace nn
