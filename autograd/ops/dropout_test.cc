#include "autograd/ops/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

using Function = Variable (*)(const Variable&, double, bool, RandomKey, int64_t);

OpCase Case(const std::string& name, Function function, Shape shape, int64_t first_sample = 0) {
  return OpCase{name,      [=](Inputs v) { return function(v[0], 0.3, true, RandomKey(7), first_sample); },
                {{shape}}, 1e-6,
                1e-4,      true};
}

OpCase Residual(const std::string& name, Shape shape, int64_t first_sample = 0) {
  return OpCase{name,
                [=](Inputs v) { return ResidualDropPath(v[0], v[1], 0.3, true, RandomKey(7), first_sample); },
                {{shape}, {shape}},
                1e-6,
                1e-4,
                true};
}

OP_CONTRACT(Dropout, Case("Elements", Dropout, {3, 4, 11}), Case("OneElement", Dropout, {1}),
            Case("Scalar", Dropout, {}), Case("SeveralChunks", Dropout, {70001}), Case("NoElements", Dropout, {0, 4}),
            Case("Channels", Dropout2d, {3, 5, 7, 11}), Case("ChannelsWithoutSpace", Dropout2d, {5, 13}),
            Case("ManyPixels", Dropout2d, {2, 90, 90, 3}), Case("NoImages", Dropout2d, {0, 2, 4}),
            Case("Samples", DropPath, {7, 3, 5}), Case("SamplesAlone", DropPath, {17}),
            Case("LongSamples", DropPath, {3, 30011}), Case("Packs", Dropout, {1024}),
            Case("PacksOfChannels", Dropout2d, {2, 3, 5, 16}), Case("PacksOfSamples", DropPath, {5, 24}),
            Case("ElementsOfARank", Dropout, {2, 3, 7}, 3), Case("ChannelsOfARank", Dropout2d, {2, 5, 7, 13}, 3),
            Case("SamplesOfARank", DropPath, {5, 3, 5}, 3), Case("PacksOfARank", Dropout, {2, 512}, 1),
            Residual("ResidualSamples", {7, 3, 5}), Residual("ResidualSamplesAlone", {17}),
            Residual("ResidualPacksAlone", {64}), Residual("ResidualLongSamples", {3, 30011}),
            Residual("ResidualPacks", {5, 4, 24}), Residual("ResidualOfARank", {5, 3, 5}, 3),
            Residual("ResidualNoSamples", {0, 4}));

// The definition: word j mod 4 of draw j div 4.
bool Kept(RandomKey key, int64_t unit, float rate) {
  const PhiloxWords words = Philox(key, static_cast<uint64_t>(unit / 4));
  const uint32_t word[] = {words.x, words.y, words.z, words.w};
  return UniformFloat(word[unit % 4]) >= rate;
}

TEST(DropoutTest, MaskIsTheDefinition) {
  const RandomKey key(11, 3);
  const Array ones = Array::Full({3, 5, 7}, kFloat32, 1);
  const auto elements = Dropout(ones, 0.5, true, key).array().ToVector<float>();
  const auto channels = Dropout2d(ones, 0.5, true, key).array().ToVector<float>();
  const auto samples = DropPath(ones, 0.5, true, key).array().ToVector<float>();
  for (int64_t i = 0; i < 105; ++i) {
    EXPECT_EQ(elements[i], Kept(key, i, 0.5f) ? 2 : 0) << i;
    EXPECT_EQ(channels[i], Kept(key, i / 35 * 7 + i % 7, 0.5f) ? 2 : 0) << i;
    EXPECT_EQ(samples[i], Kept(key, i / 35, 0.5f) ? 2 : 0) << i;
  }
}

TEST(DropoutTest, PartsOfABatchDropWhatTheWholeDoes) {
  const Array x = RandomArray({9, 5, 7}, kFloat32, RandomKey(1), 1, 2);
  for (const Function function : {Dropout, Dropout2d, DropPath}) {
    const auto whole = function(x, 0.5, true, RandomKey(3), 0).array().ToVector<float>();
    std::vector<float> parts;
    for (const auto& [begin, end] : {std::pair(0, 2), std::pair(2, 3), std::pair(3, 9)}) {
      const auto part = function(x.Slice(begin, end), 0.5, true, RandomKey(3), begin).array().ToVector<float>();
      parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, whole);
  }
}

TEST(DropoutTest, KeepsTheRateAndTheExpectation) {
  constexpr int64_t kCount = 200000;
  for (const double rate : {0.1, 0.5, 0.9}) {
    const auto y = Dropout(Array::Full({kCount}, kFloat32, 1), rate, true, RandomKey(5)).array().ToVector<float>();
    double sum = 0;
    int64_t dropped = 0;
    for (float value : y) {
      sum += value;
      dropped += value == 0;
    }
    const double deviation = std::sqrt(rate * (1 - rate) / kCount);
    EXPECT_NEAR(static_cast<double>(dropped) / kCount, rate, 4 * deviation);
    EXPECT_NEAR(sum / kCount, 1, 4 * deviation / (1 - rate));
  }
}

TEST(DropoutTest, BackwardUsesTheSameMaskAndSavesNothing) {
  const Array x = RandomArray({4, 6, 10}, kFloat32, RandomKey(1), 1, 2);
  for (const Function function : {Dropout, Dropout2d, DropPath}) {
    Tape tape;
    const Variable v = tape.Watch(x);
    const Variable y = function(v, 0.4, true, RandomKey(9), 0);
    EXPECT_EQ(tape.SavedBytes(), 0);
    tape.Backward(y, Array::Full(x.shape(), kFloat32, 1));
    const auto value = y.array().ToVector<float>(), gradient = tape.Gradient(v).ToVector<float>(),
               input = x.ToVector<float>();
    for (size_t i = 0; i < value.size(); ++i) EXPECT_FLOAT_EQ(value[i], gradient[i] * input[i]);
  }
}

TEST(DropoutTest, IdentityAtRateZeroAndInEvaluation) {
  const Variable x(RandomArray({3, 4}, kFloat32, RandomKey(1)));
  for (const Function function : {Dropout, Dropout2d, DropPath}) {
    EXPECT_TRUE(function(x, 0, true, RandomKey(1), 0).array().SharesStorageWith(x.array()));
    EXPECT_TRUE(function(x, 0.9, false, RandomKey(1), 0).array().SharesStorageWith(x.array()));
  }
}

TEST(DropoutTest, ResidualAddsWhatDropPathKeeps) {
  const Array x = RandomArray({9, 5}, kFloat32, RandomKey(1)), branch = RandomArray({9, 5}, kFloat32, RandomKey(2));
  const auto y = ResidualDropPath(x, branch, 0.5, true, RandomKey(3)).array().ToVector<float>();
  const auto given = x.ToVector<float>(), added = branch.ToVector<float>();
  for (int64_t i = 0; i < 45; ++i) {
    EXPECT_EQ(y[i], Kept(RandomKey(3), i / 5, 0.5f) ? given[i] + 2 * added[i] : given[i]) << i;
  }
  const auto sum = (Variable(x) + Variable(branch)).array().ToVector<float>();
  EXPECT_EQ(ResidualDropPath(x, branch, 0.5, false, RandomKey(3)).array().ToVector<float>(), sum);
  EXPECT_EQ(ResidualDropPath(x, branch, 0, true, RandomKey(3)).array().ToVector<float>(), sum);
}

TEST(DropoutTest, KeysDiffer) {
  const Array ones = Array::Full({256}, kFloat32, 1);
  const auto a = Dropout(ones, 0.5, true, RandomKey(1)).array().ToVector<float>();
  EXPECT_EQ(a, Dropout(ones, 0.5, true, RandomKey(1)).array().ToVector<float>());
  EXPECT_NE(a, Dropout(ones, 0.5, true, RandomKey(2)).array().ToVector<float>());
}

TEST(DropoutTest, DroppedInfinityIsZero) {
  const Array x = Array::Full({64}, kFloat32, std::numeric_limits<double>::infinity());
  for (float value : Dropout(x, 0.5, true, RandomKey(1)).array().ToVector<float>()) EXPECT_FALSE(std::isnan(value));
}

TEST(DropoutTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({100003}, kFloat32, RandomKey(1));
  EXPECT_TRUE(
      testing::SameForThreadCounts([&] { return std::vector<Array>{Dropout(x, 0.25, true, RandomKey(3)).array()}; }));
}

TEST(DropoutTest, Misuse) {
  const Variable x(Array::Zeros({3}, kFloat32)), integers(Array::Zeros({3, 2}, kInt32));
  ExpectError([&] { Dropout(x, 1.0, true, RandomKey(1)); }, "Dropout: rate 1 is not in [0, 1)");
  ExpectError([&] { DropPath(x, -0.1, true, RandomKey(1)); }, "DropPath: rate -0.1 is not in [0, 1)");
  ExpectError([&] { Dropout2d(x, 0.1, true, RandomKey(1)); }, "Dropout2d: x has shape [3] but must be [ n ... c ]");
  ExpectError([&] { ResidualDropPath(x, integers, 0.1, true, RandomKey(1)); },
              "ResidualDropPath: operands are float32 [3] and int32 [3, 2]");
  ExpectError([&] { ResidualDropPath(x, Array::Zeros({4}, kFloat32), 0.1, true, RandomKey(1)); },
              "ResidualDropPath: x [3] and branch [4] must be alike, [ n ... ]");
  ExpectError([&] { ResidualDropPath(x, x, 1.5, true, RandomKey(1)); }, "ResidualDropPath: rate 1.5 is not in [0, 1)");
  ExpectError([&] { Dropout(integers, 0.1, true, RandomKey(1)); }, "Dropout: needs a floating dtype, not int32 [3, 2]");
}

}  // namespace
}  // namespace autograd
