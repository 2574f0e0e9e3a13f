#include "autograd/ops/rotary_embedding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <vector>

#include "autograd/testing/op_contract.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

struct Tables {
  Array cosine, sine;
};

// Of angles that are uniform in [-4, 4).
Tables MakeTables(int64_t tokens, int64_t pairs) {
  std::vector<float> cosine, sine;
  for (float angle : RandomArray({tokens * pairs}, kFloat32, RandomKey(3), -4, 4).ToVector<float>()) {
    cosine.push_back(std::cos(angle));
    sine.push_back(std::sin(angle));
  }
  return {Array::From({tokens, pairs}, cosine), Array::From({tokens, pairs}, sine)};
}

OpCase Case(const std::string& name, Shape shape) {
  return OpCase{name,
                [tokens = shape[1], pairs = shape[3] / 2](Inputs x) {
                  const Tables tables = MakeTables(tokens, pairs);
                  return RotaryEmbedding(x[0], tables.cosine, tables.sine);
                },
                {{shape}},
                1e-6,
                1e-4,
                true};
}

OP_CONTRACT(RotaryEmbedding, Case("TwoImages", {2, 5, 3, 8}), Case("OnePair", {1, 3, 1, 2}),
            Case("OddPairs", {2, 3, 2, 14}), Case("ManyTokens", {3, 67, 4, 64}), Case("WideHeads", {1, 2, 1, 600}),
            Case("NoImages", {0, 4, 2, 4}), Case("NoTokens", {2, 0, 2, 4}));

TEST(RotaryEmbeddingTest, TurnsComplexNumbers) {
  constexpr int64_t kTokens = 4, kHeads = 2, kPairs = 3;
  const Tables tables = MakeTables(kTokens, kPairs);
  const Array x = RandomArray({2, kTokens, kHeads, 2 * kPairs}, kFloat32, RandomKey(1));
  const auto in = x.ToVector<float>(), out = RotaryEmbedding(x, tables.cosine, tables.sine).array().ToVector<float>();
  const auto cosine = tables.cosine.ToVector<float>(), sine = tables.sine.ToVector<float>();
  for (int64_t i = 0; i < x.size() / 2; ++i) {
    const int64_t entry = i / (kHeads * kPairs) % kTokens * kPairs + i % kPairs;
    const std::complex<double> expected =
        std::complex<double>(in[2 * i], in[2 * i + 1]) * std::complex<double>(cosine[entry], sine[entry]);
    EXPECT_NEAR(out[2 * i], expected.real(), 1e-6) << i;
    EXPECT_NEAR(out[2 * i + 1], expected.imag(), 1e-6) << i;
  }
}

TEST(RotaryEmbeddingTest, AngleZeroPassesUnchangedAndOnlyTablesAreSaved) {
  const Array x = RandomArray({2, 4, 2, 8}, kFloat32, RandomKey(1));
  const Array cosine = Array::Full({4, 4}, kFloat32, 1), sine = Array::Zeros({4, 4}, kFloat32);
  Tape tape;
  const Variable v = tape.Watch(x);
  EXPECT_EQ(RotaryEmbedding(v, cosine, sine).array().ToVector<float>(), x.ToVector<float>());
  EXPECT_EQ(tape.SavedBytes(), cosine.storage_bytes() + sine.storage_bytes());
}

TEST(RotaryEmbeddingTest, Misuse) {
  const Array x = Array::Zeros({2, 3, 2, 4}, kFloat32), table = Array::Zeros({3, 2}, kFloat32);
  ExpectError([&] { RotaryEmbedding(x, Array::Zeros({4, 2}, kFloat32), table); }, "l is 3 in x");
  ExpectError(
      [&] {
        RotaryEmbedding(x, Array::Zeros({3, 4}, kFloat32), Array::Zeros({3, 4}, kFloat32));
      },
      "heads of 4 channels");
  ExpectError([&] { RotaryEmbedding(x, Array::Zeros({3, 2}, kFloat64), table); }, "cosine");
}

}  // namespace
}  // namespace autograd
