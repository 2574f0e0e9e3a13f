// The values of whole networks are compared with PyTorch in tests/golden; here are the parts by their definitions.

#include "nn/blocks/mix_transformer_block.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/op_contract.h"

namespace nn {
namespace {

using autograd::Tape;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;
using Doubles = std::vector<double>;

const RandomKey kKey(17);

std::vector<std::string> Names(const ModuleReference& module) {
  std::vector<std::string> names;
  for (const NamedParameter& named : NamedParameters(module)) names.push_back(named.name);
  return names;
}

// Every parameter in float64, large enough that softmax and GELU bend, and norms that are no identities.
void Randomize(const ModuleReference& module) {
  for (const NamedParameter& named : NamedParameters(module)) {
    named.parameter->Set(
        RandomArray(named.parameter->shape(), autograd::kFloat64, kKey.Split(named.name.c_str()), -1, 1));
  }
}

Doubles Values(const Parameter& parameter) { return parameter.value().ToVector<double>(); }

// weight·x + bias of one pixel.
Doubles Apply(const Linear& linear, const double* x) {
  const Doubles weight = Values(linear.weight), bias = Values(linear.bias);
  const int64_t inputs = linear.weight.shape()[1];
  Doubles y = bias;
  for (size_t o = 0; o < y.size(); ++o) {
    for (int64_t c = 0; c < inputs; ++c) y[o] += weight[o * inputs + c] * x[c];
  }
  return y;
}

Doubles Apply(const LayerNorm& norm, const Doubles& x) {
  const double count = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (double value : x) mean += value / count;
  for (double value : x) variance += (value - mean) * (value - mean) / count;
  const Doubles weight = Values(norm.weight), bias = Values(norm.bias);
  Doubles y(x.size());
  for (size_t c = 0; c < x.size(); ++c) y[c] = (x[c] - mean) / std::sqrt(variance + norm.epsilon) * weight[c] + bias[c];
  return y;
}

// Of the cells r×r that are whole, the keys' pixels: convolution and norm, or the pixels themselves.
std::vector<Doubles> Cells(const SpatialReductionAttention& attention, const Doubles& x, int64_t image, int64_t h,
                           int64_t w, int64_t c) {
  const int64_t r = attention.reduce.has_value() ? attention.reduce->stride : 1;
  std::vector<Doubles> cells;
  for (int64_t i = 0; i < h / r; ++i) {
    for (int64_t j = 0; j < w / r; ++j) {
      const auto pixel = [&](int64_t u, int64_t v) { return &x[((image * h + i * r + u) * w + j * r + v) * c]; };
      if (r == 1) {
        cells.emplace_back(pixel(0, 0), pixel(0, 0) + c);
        continue;
      }
      const Doubles weight = Values(attention.reduce->weight);  // [c, r, r, c]
      Doubles sums = Values(attention.reduce->bias);
      for (int64_t o = 0; o < c; ++o) {
        for (int64_t u = 0; u < r; ++u) {
          for (int64_t v = 0; v < r; ++v) {
            for (int64_t k = 0; k < c; ++k) sums[o] += weight[((o * r + u) * r + v) * c + k] * pixel(u, v)[k];
          }
        }
      }
      cells.push_back(Apply(*attention.norm, sums));
    }
  }
  return cells;
}

// Every pair of a pixel and a key, head by head.
Doubles ByDefinition(const SpatialReductionAttention& block, const Array& map) {
  const MultiHeadAttention& attention = block.attention;
  const int64_t n = map.shape()[0], h = map.shape()[1], w = map.shape()[2], c = map.shape()[3];
  const int64_t width = c / attention.heads;
  const Doubles x = map.ToVector<double>();
  Doubles result;
  for (int64_t image = 0; image < n; ++image) {
    std::vector<Doubles> keys, values;
    for (const Doubles& cell : Cells(block, x, image, h, w, c)) {
      keys.push_back(Apply(*attention.key, cell.data()));
      values.push_back(Apply(*attention.value, cell.data()));
    }
    for (int64_t p = 0; p < h * w; ++p) {
      const Doubles query = Apply(*attention.query, &x[(image * h * w + p) * c]);
      Doubles joined(c);
      for (int64_t head = 0; head < attention.heads; ++head) {
        double total = 0;
        for (size_t j = 0; j < keys.size(); ++j) {
          double score = 0;
          for (int64_t k = head * width; k < (head + 1) * width; ++k) score += query[k] * keys[j][k];
          const double share = std::exp(score / std::sqrt(static_cast<double>(width)));
          total += share;
          for (int64_t k = head * width; k < (head + 1) * width; ++k) joined[k] += share * values[j][k];
        }
        for (int64_t k = head * width; k < (head + 1) * width; ++k) joined[k] /= total;
      }
      const Doubles y = Apply(attention.proj, joined.data());
      result.insert(result.end(), y.begin(), y.end());
    }
  }
  return result;
}

// 5×7 pixels are 1×2 whole cells of 3×3: two rows and a column are in none.
TEST(SpatialReductionAttention, ByDefinition) {
  const Array x = RandomArray({2, 5, 7, 4}, autograd::kFloat64, kKey);
  for (const int64_t reduction : {1, 3}) {
    SpatialReductionAttention attention(4, {.heads = 2, .reduction = reduction, .epsilon = 1e-3}, kKey);
    Randomize(attention);
    const Array y = attention(x, Context()).array();
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_TRUE(AllClose(y, Array::From(x.shape(), ByDefinition(attention, x)), 1e-12)) << reduction;
  }
}

TEST(SpatialReductionAttention, NamesAndMisuse) {
  SpatialReductionAttention attention(4, {.heads = 2, .reduction = 3}, kKey), plain(4, {}, kKey);
  EXPECT_EQ(Names(attention),
            (std::vector<std::string>{"self.query.weight", "self.query.bias", "self.key.weight", "self.key.bias",
                                      "self.value.weight", "self.value.bias", "self.sr.weight", "self.sr.bias",
                                      "self.layer_norm.weight", "self.layer_norm.bias", "output.dense.weight",
                                      "output.dense.bias"}));
  EXPECT_EQ(Names(plain).size(), 8u);
  ExpectError([&] { attention(Array::Zeros({1, 2, 9, 4}, autograd::kFloat32), Context()); }, "[1, 2, 9, 4]");
  ExpectError([] { SpatialReductionAttention(4, {.reduction = 0}, kKey); }, "a reduction by 0");
  ExpectError([] { SpatialReductionAttention(4, {.heads = 3}, kKey); }, "3 heads do not divide 4 channels");
}

// One tap after the other: zeros around the map, the filter of each channel by itself, erf.
TEST(MixFfn, ByDefinition) {
  constexpr int64_t kHeight = 3, kWidth = 4, kChannels = 2, kHidden = 5;
  MixFfn mlp(kChannels, kHidden, kKey);
  Randomize(mlp);
  const Array x = RandomArray({2, kHeight, kWidth, kChannels}, autograd::kFloat64, kKey, -2, 2);
  const Doubles pixels = x.ToVector<double>(), filter = Values(mlp.depthwise.weight),  // [3, 3, kHidden]
      bias = Values(mlp.depthwise.bias);
  Doubles expected;
  for (int64_t image = 0; image < 2; ++image) {
    for (int64_t i = 0; i < kHeight; ++i) {
      for (int64_t j = 0; j < kWidth; ++j) {
        Doubles hidden = bias;
        for (int64_t u = -1; u <= 1; ++u) {
          for (int64_t v = -1; v <= 1; ++v) {
            if (i + u < 0 || i + u >= kHeight || j + v < 0 || j + v >= kWidth) continue;
            const Doubles tap = Apply(mlp.dense1, &pixels[((image * kHeight + i + u) * kWidth + j + v) * kChannels]);
            for (int64_t c = 0; c < kHidden; ++c) hidden[c] += filter[((u + 1) * 3 + v + 1) * kHidden + c] * tap[c];
          }
        }
        for (double& value : hidden) value = 0.5 * value * (1 + std::erf(value / std::sqrt(2.0)));
        const Doubles y = Apply(mlp.dense2, hidden.data());
        expected.insert(expected.end(), y.begin(), y.end());
      }
    }
  }
  EXPECT_TRUE(AllClose(mlp(x).array(), Array::From(x.shape(), expected), 1e-12));
}

TEST(MixTransformerBlock, NamesItsPartsAsHuggingFace) {
  MixTransformerBlock block(6, {.heads = 2}, kKey);
  EXPECT_EQ(Names(block),
            (std::vector<std::string>{
                "layer_norm_1.weight", "layer_norm_1.bias", "attention.self.query.weight", "attention.self.query.bias",
                "attention.self.key.weight", "attention.self.key.bias", "attention.self.value.weight",
                "attention.self.value.bias", "attention.output.dense.weight", "attention.output.dense.bias",
                "layer_norm_2.weight", "layer_norm_2.bias", "mlp.dense1.weight", "mlp.dense1.bias",
                "mlp.dwconv.dwconv.weight", "mlp.dwconv.dwconv.bias", "mlp.dense2.weight", "mlp.dense2.bias"}));
  EXPECT_EQ(block.mlp.dense1.weight.shape(), (Shape{24, 6}));
}

TEST(MixTransformerBlock, IsTwoResidualBranches) {
  const Array x = RandomArray({2, 3, 4, 6}, autograd::kFloat32, kKey);
  MixTransformerBlock block(6, {.heads = 2, .reduction = 2}, kKey);
  const Variable middle = x + block.attention(block.norm1(x), Context());
  EXPECT_TRUE(AllClose(block(x, Context()).array(), (middle + block.mlp(block.norm2(middle))).array(), 0));
  EXPECT_FALSE(AllClose(middle.array(), x, 1e-3));
  // At the highest rate nearly every sample takes the shortcuts alone.
  MixTransformerBlock dropped(6, {.heads = 2, .drop_path = 0.999}, kKey);
  EXPECT_TRUE(AllClose(dropped(x, Context::Training(kKey)).array(), x, 0));
  EXPECT_FALSE(AllClose(dropped(x, Context()).array(), x, 1e-3));
}

TEST(MixTransformerBlock, EachNormHasItsEpsilon) {
  MixTransformerBlock block(6, {.reduction = 2, .epsilon = 1e-4, .reduction_epsilon = 1e-3}, kKey);
  EXPECT_EQ(block.norm1.epsilon, 1e-4);
  EXPECT_EQ(block.norm2.epsilon, 1e-4);
  EXPECT_EQ(block.attention.norm->epsilon, 1e-3);
}

// A map that the reduction does not divide: gradient of the map, twice the same, float32, checkpoints.
TEST(MixTransformerBlock, HoldsTheContractOfAnOp) {
  MixTransformerBlock wide(4, {.heads = 2, .reduction = 2}, kKey), narrow(4, {.heads = 2, .reduction = 2}, kKey);
  Randomize(wide);
  Randomize(narrow);
  for (const NamedParameter& named : NamedParameters(narrow))
    named.parameter->Set(autograd::Cast(Variable(named.parameter->value()), autograd::kFloat32).array());
  autograd::testing::CheckOpContract({"mix_transformer_block",
                                      [&](autograd::testing::Inputs x) {
                                        return (x[0].dtype() == autograd::kFloat64 ? wide : narrow)(x[0], Context());
                                      },
                                      {{{2, 5, 3, 4}}}});
}

// Each entry of each parameter by itself, by a central difference: its error is O(h²) + O(ε/h), some 1e-9 for h = 1e-5.
TEST(MixTransformerBlock, ParameterGradients) {
  const Array x = RandomArray({2, 5, 3, 4}, autograd::kFloat64, kKey);
  MixTransformerBlock block(4, {.heads = 2, .reduction = 2, .mlp_width = 6, .drop_path = 0.3}, kKey);
  Randomize(block);
  for (const Context& context : {Context(), Context::Training(kKey)}) {
    const auto loss = [&] { return autograd::Sum(autograd::Square(block(x, context))); };
    ClearGradients(block);
    {
      Tape tape;
      tape.Backward(loss());
    }
    for (const NamedParameter& named : NamedParameters(block)) {
      const Doubles gradient = named.parameter->gradient().ToVector<double>();
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
}

}  // namespace
}  // namespace nn
