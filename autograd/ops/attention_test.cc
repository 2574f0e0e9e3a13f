#include "autograd/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/testing/each_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OnEachDevice;
using testing::OpCase;

struct Extents {
  int64_t images, queries, keys, heads, width, value_width;
};

OpCase Case(const std::string& name, Extents e, double scale) {
  return OpCase{name,
                [scale](Inputs x) { return ScaledDotProductAttention(x[0], x[1], x[2], scale); },
                {{{e.images, e.queries, e.heads, e.width}},
                 {{e.images, e.keys, e.heads, e.width}},
                 {{e.images, e.keys, e.heads, e.value_width}}},
                1e-6,
                1e-4,
                true};
}

OP_CONTRACT(Attention, Case("Small", {2, 5, 5, 3, 4, 4}, 0.5), Case("OtherKeysAndValues", {1, 7, 3, 2, 5, 11}, 1.0),
            Case("OneToken", {1, 1, 1, 1, 1, 1}, 1.0), Case("SeveralQueryTiles", {1, 131, 17, 1, 3, 2}, 1.0),
            Case("SeveralKeyTiles", {1, 3, 523, 2, 3, 5}, 2.0), Case("TilesBothWays", {1, 65, 257, 1, 8, 9}, 0.35),
            Case("WideHeads", {1, 9, 70, 1, 70, 66}, 0.1), Case("WideValues", {1, 3, 5, 2, 3, 70}, 1.0),
            Case("NegativeScale", {1, 5, 300, 1, 4, 3}, -1.0), Case("ZeroScale", {1, 4, 6, 1, 3, 3}, 0.0),
            Case("NoImages", {0, 4, 4, 2, 3, 3}, 1.0), Case("NoQueries", {1, 0, 4, 2, 3, 3}, 1.0),
            Case("NoHeads", {1, 4, 4, 0, 3, 3}, 1.0),
            OpCase{"SharedOperand",
                   [](Inputs x) { return ScaledDotProductAttention(x[0], x[0], x[0], 0.7); },
                   {{{2, 9, 2, 3}}}});

struct Operands {
  Array q, k, v;
};

Operands Draw(Extents e, DType dtype, double magnitude = 1) {
  const RandomKey key(11);
  return {testing::RandomArray({e.images, e.queries, e.heads, e.width}, dtype, key.Split("q"), -magnitude, magnitude),
          testing::RandomArray({e.images, e.keys, e.heads, e.width}, dtype, key.Split("k"), -magnitude, magnitude),
          testing::RandomArray({e.images, e.keys, e.heads, e.value_width}, dtype, key.Split("v"))};
}

struct Plain {
  std::vector<double> y, probabilities;
};

// The definition, one pair at a time.
Plain Definition(Extents e, const Operands& x, double scale) {
  const std::vector<double> q = x.q.ToVector<double>(), k = x.k.ToVector<double>(), v = x.v.ToVector<double>();
  Plain plain;
  plain.y.resize(e.images * e.queries * e.heads * e.value_width);
  for (int64_t n = 0; n < e.images; ++n) {
    for (int64_t h = 0; h < e.heads; ++h) {
      for (int64_t i = 0; i < e.queries; ++i) {
        std::vector<double> p(e.keys);
        double sum = 0;
        for (int64_t j = 0; j < e.keys; ++j) {
          double dot = 0;
          for (int64_t c = 0; c < e.width; ++c) {
            dot += q[((n * e.queries + i) * e.heads + h) * e.width + c] *
                   k[((n * e.keys + j) * e.heads + h) * e.width + c];
          }
          sum += p[j] = std::exp(scale * dot);
        }
        for (int64_t j = 0; j < e.keys; ++j) {
          plain.probabilities.push_back(p[j] / sum);
          for (int64_t c = 0; c < e.value_width; ++c) {
            plain.y[((n * e.queries + i) * e.heads + h) * e.value_width + c] +=
                p[j] / sum * v[((n * e.keys + j) * e.heads + h) * e.value_width + c];
          }
        }
      }
    }
  }
  return plain;
}

TEST(AttentionTest, EqualsTheDefinition) {
  OnEachDevice([] {
    for (const Extents e : {Extents{2, 70, 290, 3, 8, 12}, Extents{1, 3, 3, 1, 2, 2}, Extents{2, 1, 600, 1, 4, 1}}) {
      const Operands x = Draw(e, kFloat64);
      const Plain plain = Definition(e, x, 0.8);
      Array probabilities;
      const Variable y = ScaledDotProductAttention(x.q, x.k, x.v, 0.8, &probabilities);
      EXPECT_TRUE(testing::AllClose(y.array(), Array::From(y.shape(), plain.y), 1e-12));
      EXPECT_EQ(probabilities.shape(), Shape({e.images, e.heads, e.queries, e.keys}));
      EXPECT_TRUE(testing::AllClose(probabilities, Array::From(probabilities.shape(), plain.probabilities), 1e-12));
    }
  });
}

TEST(AttentionTest, LargeScoresDoNotOverflow) {
  OnEachDevice([] {
    // Scores of ±6400 in float32: exp of any of them would be infinite or zero.
    const Extents e{1, 65, 300, 1, 64, 3};
    const Operands x = Draw(e, kFloat32, 10);
    Array probabilities;
    const Variable y = ScaledDotProductAttention(x.q, x.k, x.v, 1.0, &probabilities);
    for (float value : y.array().ToVector<float>()) ASSERT_TRUE(std::isfinite(value));
    // A score, 64 products of up to 100, and the row's log-sum are rounded, and their difference is the exponent.
    const double rounding = 2 * testing::RoundingOfSum(kFloat32, 64) * 6400;
    const std::vector<float> p = probabilities.ToVector<float>();
    for (int64_t row = 0; row < e.queries; ++row) {
      double sum = 0;
      for (int64_t j = 0; j < e.keys; ++j) sum += p[row * e.keys + j];
      EXPECT_NEAR(sum, 1, std::expm1(rounding));
    }
  });
}

TEST(AttentionTest, EqualScoresGiveTheMean) {
  OnEachDevice([] {
    const Array v = testing::RandomArray({1, 5, 1, 2}, kFloat32, RandomKey(1));
    const std::vector<float> values = v.ToVector<float>();
    const std::vector<float> y =
        ScaledDotProductAttention(Array::Zeros({1, 1, 1, 3}, kFloat32), Array::Full({1, 5, 1, 3}, kFloat32, 7), v, 1.0)
            .array()
            .ToVector<float>();
    for (int c = 0; c < 2; ++c) {
      EXPECT_NEAR(y[c], (values[c] + values[2 + c] + values[4 + c] + values[6 + c] + values[8 + c]) / 5, 1e-6);
    }
  });
}

TEST(AttentionTest, OneKeyIsItsValue) {
  OnEachDevice([] {
    const Operands x = Draw({2, 3, 1, 1, 4, 2}, kFloat32);
    Tape tape;
    const Variable q = tape.Watch(x.q), v = tape.Watch(x.v);
    const Variable y = ScaledDotProductAttention(q, x.k, v, 1.0);
    tape.Backward(y, Array::Full(y.shape(), kFloat32, 1));
    const std::vector<float> values = x.v.ToVector<float>(), result = y.array().ToVector<float>();
    for (int64_t i = 0; i < y.size(); ++i) EXPECT_FLOAT_EQ(result[i], values[i / 6 * 2 + i % 2]);
    // The softmax of one score is constant: nothing flows to q but rounding, and all three queries' ones to v.
    for (float gradient : tape.Gradient(q).ToVector<float>()) EXPECT_NEAR(gradient, 0, 1e-6);
    for (float gradient : tape.Gradient(v).ToVector<float>()) EXPECT_FLOAT_EQ(gradient, 3);
  });
}

// One head over few threads takes two passes, many heads one: the bits agree, whatever the number of threads.
TEST(AttentionTest, SameForAnyThreadCount) {
  for (const Extents e : {Extents{1, 150, 530, 3, 16, 24}, Extents{2, 65, 65, 4, 8, 8}}) {
    const Operands x = Draw(e, kFloat32);
    const auto attend = [&] {
      Tape tape;
      const Variable q = tape.Watch(x.q), k = tape.Watch(x.k), v = tape.Watch(x.v);
      const Variable y = ScaledDotProductAttention(q, k, v, 0.25);
      tape.Backward(y, y.array());
      return std::vector<Array>{y.array(), tape.Gradient(q), tape.Gradient(k), tape.Gradient(v)};
    };
    EXPECT_TRUE(testing::SameForThreadCounts(attend, {2, 3, 5, 8}));
  }
}

TEST(AttentionTest, SavesNoScores) {
  const Operands x = Draw({1, 1024, 1024, 1, 4, 4}, kFloat32);
  Tape tape;
  const Variable y = ScaledDotProductAttention(tape.Watch(x.q), tape.Watch(x.k), tape.Watch(x.v), 1.0);
  // q, k, v, y of 16 KiB each and log-sums of 4 KiB; the scores would be 4 MiB.
  EXPECT_LE(tape.SavedBytes(), 5 * 16384 + 8192);
}

TEST(AttentionTest, Misuse) {
  const Variable q(Array::Zeros({1, 4, 2, 3}, kFloat32)), v(Array::Zeros({1, 5, 2, 6}, kFloat32));
  auto attend = [&](const Variable& k, const Variable& values) { return ScaledDotProductAttention(q, k, values, 1.0); };
  ExpectError(
      [&] {
        attend(Array::Zeros({1, 5, 2, 4}, kFloat32), v);
      },
      "ScaledDotProductAttention: d is 3 in q [1, 4, 2, 3] but 4 in k [1, 5, 2, 4]");
  ExpectError(
      [&] {
        attend(Array::Zeros({1, 4, 2, 3}, kFloat32), v);
      },
      "keys is 4 in k [1, 4, 2, 3] but 5 in v [1, 5, 2, 6]");
  ExpectError([&] { attend(Array::Zeros({1, 5, 6}, kFloat32), v); }, "k has shape [1, 5, 6]");
  ExpectError(
      [&] {
        attend(Array::Zeros({1, 5, 2, 3}, kFloat64), v);
      },
      "operands are float32 [1, 4, 2, 3] and float64 [1, 5, 2, 3]");
  ExpectError(
      [&] {
        attend(Array::Zeros({1, 0, 2, 3}, kFloat32), Array::Zeros({1, 0, 2, 6}, kFloat32));
      },
      "has no keys to attend to");
}

}  // namespace
}  // namespace autograd
