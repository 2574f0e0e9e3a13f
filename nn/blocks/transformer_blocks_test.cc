// The values are compared with timm in tests/golden; here is what that does not show.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "nn/blocks/eva02_block.h"
#include "nn/blocks/transformer_block.h"
#include "nn/checkpoints/weights.h"

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
    // Sums of 8 products for query, key, value and output, of 4 for a score and of 5 for a mean: two orders of each.
    const double rounding = 2 * (4 * 9 + 5 + 6) * autograd::testing::UnitRoundoff(autograd::kFloat32);
    EXPECT_TRUE(AllClose(attention(x, Context()).array(), fused, rounding));
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
  // As many forwards, as many backwards, and 10 tokens; query's and key's are differences of terms of the value's size.
  const double rounding = 2 * (2 * (4 * 9 + 5 + 6) + 11) * autograd::testing::UnitRoundoff(autograd::kFloat32);
  double largest = 0;
  for (float value : gradient.ToVector<float>()) largest = std::max<double>(largest, std::abs(value));
  EXPECT_TRUE(AllClose(gradient.Slice(0, 8), split.query->weight.gradient(), 0, rounding * largest));
  EXPECT_TRUE(AllClose(gradient.Slice(8, 16), split.key->weight.gradient(), 0, rounding * largest));
  EXPECT_TRUE(AllClose(gradient.Slice(16, 24), split.value->weight.gradient(), 0, rounding * largest));
}

struct Attended {
  MultiHeadAttention cross_attn;
  void Fields(FieldVisitor& visitor) { visitor.Field("cross_attn", cross_attn); }
};

// What the fields hold, in double: row `output` of a matrix times one token.
double Project(const Linear& linear, const double* token, int64_t output) {
  const Array& weight = linear.weight.value();
  const int64_t inputs = weight.shape()[1];
  const std::vector<double> values =
      autograd::Cast(weight.Slice(output, output + 1), autograd::kFloat64).array().ToVector<double>();
  double sum = linear.bias.defined()
                   ? autograd::Cast(linear.bias.value().Slice(output, output + 1), autograd::kFloat64).array().Item()
                   : 0;
  for (int64_t c = 0; c < inputs; ++c) sum += values[c] * token[c];
  return sum;
}

// Cross-attention by its definition: every pair of a query and a key, head by head.
std::vector<double> CrossAttention(const MultiHeadAttention& attention, const Array& queries, const Array& keys,
                                   const Array& values) {
  const int64_t n = queries.shape()[0], lq = queries.shape()[1], lk = keys.shape()[1], width = queries.shape()[2],
                head_width = width / attention.heads;
  const std::vector<double> q = queries.ToVector<double>(), k = keys.ToVector<double>(), v = values.ToVector<double>();
  std::vector<double> result;
  for (int64_t image = 0; image < n; ++image) {
    for (int64_t i = 0; i < lq; ++i) {
      std::vector<double> joined(width);
      for (int64_t head = 0; head < attention.heads; ++head) {
        double total = 0;
        for (int64_t j = 0; j < lk; ++j) {
          double score = 0;
          for (int64_t c = head * head_width; c < (head + 1) * head_width; ++c) {
            score += Project(*attention.query, &q[(image * lq + i) * width], c) *
                     Project(*attention.key, &k[(image * lk + j) * keys.shape()[2]], c);
          }
          const double share = std::exp(score / std::sqrt(static_cast<double>(head_width)));
          total += share;
          for (int64_t c = head * head_width; c < (head + 1) * head_width; ++c) {
            joined[c] += share * Project(*attention.value, &v[(image * lk + j) * values.shape()[2]], c);
          }
        }
        for (int64_t c = head * head_width; c < (head + 1) * head_width; ++c) joined[c] /= total;
      }
      for (int64_t c = 0; c < width; ++c) result.push_back(Project(attention.proj, joined.data(), c));
    }
  }
  return result;
}

// Every matrix and bias of a cross-attention over inputs of three widths, in float64 and large enough that softmax
// bends.
MultiHeadAttention ThreeWidths() {
  MultiHeadAttention attention(6, {.heads = 2, .fused = false, .key_width = 5, .value_width = 3}, kKey);
  uint64_t index = 0;
  for (const NamedParameter& named : NamedParameters(attention)) {
    named.parameter->Set(RandomArray(named.parameter->shape(), autograd::kFloat64, kKey.Split(100 + index++), -1, 1));
  }
  return attention;
}

TEST(MultiHeadAttention, CrossAttentionByDefinition) {
  const Array queries = RandomArray({2, 4, 6}, autograd::kFloat64, kKey.Split(1)),
              keys = RandomArray({2, 3, 5}, autograd::kFloat64, kKey.Split(2)),
              values = RandomArray({2, 3, 3}, autograd::kFloat64, kKey.Split(3));
  MultiHeadAttention attention = ThreeWidths();
  EXPECT_EQ(attention.key->weight.shape(), (Shape{6, 5}));
  EXPECT_EQ(attention.value->weight.shape(), (Shape{6, 3}));
  const Array y = attention(queries, keys, values, Context()).array();
  EXPECT_EQ(y.shape(), (Shape{2, 4, 6}));
  const Array expected = Array::From({2, 4, 6}, CrossAttention(attention, queries, keys, values));
  EXPECT_TRUE(AllClose(y, expected, 1e-12));
}

TEST(MultiHeadAttention, CrossAttentionHoldsTheContractOfAnOp) {
  MultiHeadAttention attention = ThreeWidths();
  for (const NamedParameter& named : NamedParameters(attention)) {  // the contract also runs in float32
    named.parameter->Set(autograd::Cast(named.parameter->value(), autograd::kFloat32).array());
  }
  autograd::testing::CheckOpContract(
      {"cross_attention",
       [&](autograd::testing::Inputs x) { return attention(x[0], x[1], x[2], Context()); },
       {{{2, 4, 6}}, {{2, 3, 5}}, {{2, 3, 3}}}});
}

// Each entry of each parameter by itself, by a central difference: its error is O(h²) + O(ε/h), some 1e-9 for h = 1e-5.
TEST(MultiHeadAttention, CrossAttentionParameterGradients) {
  const Array queries = RandomArray({2, 4, 6}, autograd::kFloat64, kKey.Split(1)),
              keys = RandomArray({2, 3, 5}, autograd::kFloat64, kKey.Split(2)),
              values = RandomArray({2, 3, 3}, autograd::kFloat64, kKey.Split(3));
  MultiHeadAttention attention = ThreeWidths();
  const auto loss = [&] { return autograd::Sum(autograd::Square(attention(queries, keys, values, Context()))); };
  {
    Tape tape;
    tape.Backward(loss());
  }
  for (const NamedParameter& named : NamedParameters(attention)) {
    const std::vector<double> gradient = named.parameter->gradient().ToVector<double>();
    double* const entries = named.parameter->mutable_value().data<double>();
    for (int64_t i = 0; i < named.parameter->size(); ++i) {
      constexpr double kStep = 1e-5;
      const double entry = entries[i];
      entries[i] = entry + kStep;
      const double above = loss().Item();
      entries[i] = entry - kStep;
      const double below = loss().Item();
      entries[i] = entry;
      EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-6 * (1 + std::abs(gradient[i])))
          << named.name << " " << i;
    }
  }
}

// Attending to oneself is self-attention, in both forms.
TEST(MultiHeadAttention, CrossAttentionToItselfIsSelfAttention) {
  const Array x = RandomArray({2, 5, 8}, autograd::kFloat32, kKey);
  for (const bool fused : {true, false}) {
    MultiHeadAttention attention(8, {.heads = 2, .fused = fused}, kKey);
    EXPECT_TRUE(AllClose(attention(x, x, x, Context()).array(), attention(x, Context()).array(), 0, 0));
  }
}

// What torch.nn.MultiheadAttention holds: one matrix whose thirds are those of the queries, the keys and the values.
struct TorchAttention {
  Parameter in_proj_weight, in_proj_bias;
  Linear out_proj;
  void Fields(FieldVisitor& visitor) {
    visitor.Field("cross_attn.in_proj_weight", in_proj_weight, Layout::kLinear);
    visitor.Field("cross_attn.in_proj_bias", in_proj_bias);
    visitor.Field("cross_attn.out_proj", out_proj);
  }
};

TEST(MultiHeadAttention, LoadsFilesOfTorch) {
  TorchAttention torch{Parameter(RandomArray({18, 6}, autograd::kFloat32, kKey.Split(1))),
                       Parameter(RandomArray({18}, autograd::kFloat32, kKey.Split(2))), Linear(6, 6, {}, kKey)};
  const std::string path = ::testing::TempDir() + "/torch_attention.safetensors";
  ASSERT_TRUE(SaveWeights(path, torch).ok());
  Attended fused{MultiHeadAttention(6, {.heads = 2}, kKey)};
  const auto report = LoadWeights(path, fused,
                                  {.rename = RenamePrefixes({{"cross_attn.in_proj_weight", "cross_attn.qkv.weight"},
                                                             {"cross_attn.in_proj_bias", "cross_attn.qkv.bias"},
                                                             {"cross_attn.out_proj.", "cross_attn.proj."}})});
  ASSERT_TRUE(report.ok()) << report.status();
  // The thirds in the three-matrix form, whose values the definition above checks.
  Attended split{MultiHeadAttention(6, {.heads = 2, .fused = false}, kKey)};
  int64_t row = 0;
  for (Linear* part : {&*split.cross_attn.query, &*split.cross_attn.key, &*split.cross_attn.value}) {
    part->weight.Set(torch.in_proj_weight.value().Slice(row, row + 6).Copy());
    part->bias.Set(torch.in_proj_bias.value().Slice(row, row + 6).Copy());
    row += 6;
  }
  split.cross_attn.proj.weight.Set(torch.out_proj.weight.value());
  split.cross_attn.proj.bias.Set(torch.out_proj.bias.value());
  const Array queries = RandomArray({2, 4, 6}, autograd::kFloat32, kKey.Split(3)),
              memory = RandomArray({2, 7, 6}, autograd::kFloat32, kKey.Split(4));
  EXPECT_TRUE(AllClose(fused.cross_attn(queries, memory, memory, Context()).array(),
                       split.cross_attn(queries, memory, memory, Context()).array(), 1e-6));
}

TEST(MultiHeadAttention, Misuse) {
  ExpectError([] { MultiHeadAttention(6, {.heads = 2, .key_width = 5}, kKey); }, "one width of inputs, not 6, 5 and 6");
  MultiHeadAttention attention = ThreeWidths();
  const auto tokens = [](int64_t n, int64_t l, int64_t width) {
    return Array::Zeros({n, l, width}, autograd::kFloat64);
  };
  ExpectError([&] { attention(tokens(2, 4, 6), tokens(1, 3, 5), tokens(2, 3, 3), Context()); },
              "MultiHeadAttention: n is 2 in queries [2, 4, 6] but 1 in keys [1, 3, 5]");
  ExpectError([&] { attention(tokens(2, 4, 6), tokens(2, 3, 5), tokens(2, 4, 3), Context()); }, "lk is 3 in keys");
  ExpectError([&] { attention(tokens(2, 4, 6), tokens(2, 3, 4), tokens(2, 3, 3), Context()); }, "[2, 3, 4]");
  ExpectError([] { MultiHeadAttention(6, {.heads = 4}, kKey); }, "4 heads do not divide 6 channels");
  ExpectError([] { MultiHeadAttention(6, {.heads = 2, .key_bias = false}, kKey); }, "key bias");
}

}  // namespace
}  // namespace nn
