#include "rl/policies/categorical.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Variable;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;

InputSpec Actions(Shape shape, int classes) { return InputSpec{shape, 0, static_cast<double>(classes), false, kUInt8}; }

OpCase LogProbabilityCase(const char* name, Shape logits, Shape actions) {
  return OpCase{name,
                [](Inputs x) { return Categorical(x[0]).LogProbability(x[1].array()); },
                {{logits, -2, 2}, Actions(actions, static_cast<int>(logits[-1]))}};
}
OpCase EntropyCase(const char* name, Shape logits) {
  return OpCase{name, [](Inputs x) { return Categorical(x[0]).Entropy(); }, {{logits, -2, 2}}};
}
OpCase DivergenceCase(const char* name, Shape logits) {
  return OpCase{name,
                [](Inputs x) { return Categorical(x[0]).Divergence(Categorical(x[1])); },
                {{logits, -2, 2}, {logits, -2, 2}}};
}

OP_CONTRACT(Categorical, LogProbabilityCase("OneMap", {2, 3, 5, 7}, {2, 3, 5}),
            LogProbabilityCase("ThreeMaps", {2, 3, 5, 7}, {3, 2, 3, 5}),
            LogProbabilityCase("SeveralBlocks", {3, 67, 11}, {2, 3, 67}),
            LogProbabilityCase("ManyClasses", {3, 5, 255}, {19, 3, 5}), LogProbabilityCase("OneClass", {5, 1}, {5}),
            EntropyCase("Entropy", {2, 41, 5}), EntropyCase("EntropyOfTwo", {1, 2}),
            EntropyCase("EntropyOfMany", {19, 130}), DivergenceCase("Divergence", {2, 41, 5}),
            DivergenceCase("DivergenceOfMany", {9, 171}), DivergenceCase("DivergenceOfTwo", {3, 2}));

// Values from facts about torch.distributions: z = (1, 2, 0.5).
TEST(CategoricalTest, KnownValues) {
  const Categorical policy(Array::From<double>({1, 3}, {1, 2, 0.5}));
  const Categorical other(Array::From<double>({1, 3}, {0, 0, 1}));
  const std::vector<double> log_probability =
      policy.LogProbability(Array::From<uint8_t>({3, 1}, {0, 1, 2})).array().ToVector<double>();
  EXPECT_NEAR(std::exp(log_probability[0]), 0.231224, 1e-6);
  EXPECT_NEAR(std::exp(log_probability[1]), 0.628532, 1e-6);
  EXPECT_NEAR(std::exp(log_probability[2]), 0.140244, 1e-6);
  EXPECT_NEAR(policy.Entropy().Item(), 0.905959, 1e-6);
  EXPECT_NEAR(policy.Divergence(other).Item(), 0.505241, 1e-6);
  EXPECT_NEAR(other.Divergence(policy).Item(), 0.565158, 1e-6);
  EXPECT_EQ(policy.Mode().ToVector<uint8_t>(), (std::vector<uint8_t>{1}));
}

TEST(CategoricalTest, ImpossibleClasses) {
  const float never = -std::numeric_limits<float>::infinity();
  const Categorical policy(Array::From<float>({1, 3}, {never, 0, 0}));
  EXPECT_NEAR(policy.Entropy().Item(), std::log(2.0), 1e-6);
  const Categorical all(Array::Zeros({1, 3}, kFloat32));
  EXPECT_NEAR(policy.Divergence(all).Item(), std::log(1.5), 1e-6);
  EXPECT_EQ(all.Divergence(policy).Item(), std::numeric_limits<double>::infinity());
  for (uint8_t action :
       Categorical(Array::From<float>({1, 3}, {0, 0, never})).Sample(RandomKey(1), 4000).ToVector<uint8_t>()) {
    EXPECT_LT(action, 2);
  }
}

TEST(CategoricalTest, FrequenciesMatchProbabilities) {
  // Two positions with their own distributions; Pearson's chi-squared with 3 degrees of freedom stays below its 99.9 %
  // point.
  const std::vector<double> probabilities = {0.1, 0.2, 0.3, 0.4, 0.7, 0.05, 0.05, 0.2};
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 3));
  constexpr int kDraws = 40000;
  const std::vector<uint8_t> actions =
      Categorical(Array::From<float>({2, 4}, logits)).Sample(RandomKey(5), kDraws).ToVector<uint8_t>();
  for (int position = 0; position < 2; ++position) {
    std::vector<double> seen(4);
    for (int i = 0; i < kDraws; ++i) ++seen.at(actions[i * 2 + position]);
    double chi_squared = 0;
    for (int k = 0; k < 4; ++k) {
      const double expected = kDraws * probabilities[position * 4 + k];
      chi_squared += (seen[k] - expected) * (seen[k] - expected) / expected;
    }
    EXPECT_LT(chi_squared, 16.27) << "position " << position;
  }
}

TEST(CategoricalTest, SamplesAndPositionsAreIndependent) {
  // Fair coins: neighbouring samples and neighbouring positions agree half of the time.
  constexpr int kSamples = 64, kPositions = 200;
  const std::vector<uint8_t> actions =
      Categorical(Array::Zeros({kPositions, 2}, kFloat32)).Sample(RandomKey(8), kSamples).ToVector<uint8_t>();
  int along_samples = 0, along_positions = 0;
  for (int i = 1; i < kSamples; ++i) {
    for (int q = 1; q < kPositions; ++q) {
      along_samples += actions[i * kPositions + q] == actions[(i - 1) * kPositions + q];
      along_positions += actions[i * kPositions + q] == actions[i * kPositions + q - 1];
    }
  }
  const double total = (kSamples - 1) * (kPositions - 1), deviation = std::sqrt(total) / 2;
  EXPECT_NEAR(along_samples, total / 2, 4 * deviation);
  EXPECT_NEAR(along_positions, total / 2, 4 * deviation);
}

TEST(CategoricalTest, ADrawDependsOnKeySampleAndPositionOnly) {
  const Array logits = autograd::testing::RandomArray({6, 50, 5}, kFloat32, RandomKey(2), -2, 2);
  const RandomKey key(77);
  const std::vector<uint8_t> eight = Categorical(logits).Sample(key, 8).ToVector<uint8_t>();
  const std::vector<uint8_t> three = Categorical(logits).Sample(key, 3).ToVector<uint8_t>();
  EXPECT_TRUE(std::equal(three.begin(), three.end(), eight.begin()));
  // The second half of the batch alone.
  const std::vector<uint8_t> half = Categorical(logits.Slice(3, 6)).Sample(key, 8, 150).ToVector<uint8_t>();
  for (int i = 0; i < 8; ++i) {
    for (int q = 0; q < 150; ++q) ASSERT_EQ(half[i * 150 + q], eight[i * 300 + 150 + q]) << i << " " << q;
  }
  EXPECT_NE(Categorical(logits).Sample(RandomKey(78), 8).ToVector<uint8_t>(), eight);
}

// Draws and modes are the CPU's, bit for bit: rows of one lane (many positions) to rows of a whole warp (many classes
// in float64), logits that allow packs and that do not, counts that do not fill the words of a draw.
TEST(CategoricalTest, CudaInTheEmulatorDrawsTheSame) {
  struct Row {
    Shape logits;
    int64_t count;
  };
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const Row& row : {Row{{2, 9, 7, 5}, 6}, Row{{3, 1}, 1}, Row{{1, 40, 19}, 9}, Row{{37, 59}, 8},
                         Row{{21, 255}, 30}, Row{{32773, 3}, 2}}) {
    for (autograd::DType dtype : {kFloat32, autograd::kBFloat16, kFloat64}) {
      if (row.logits.size() > 50000 && dtype != kFloat32) continue;
      const Array logits = autograd::testing::RandomArray(row.logits, dtype, RandomKey(3), -4, 4);
      const Categorical policy((Variable(logits)));
      const std::vector<uint8_t> drawn = policy.Sample(RandomKey(4), row.count, 1000).ToVector<uint8_t>();
      const std::vector<uint8_t> mode = policy.Mode().ToVector<uint8_t>();
      autograd::StreamScope scope(*stream);
      const Categorical on_device((Variable(logits.To(*stream))));
      EXPECT_EQ(on_device.Sample(RandomKey(4), row.count, 1000).ToVector<uint8_t>(), drawn) << row.logits;
      if (row.logits.size() > 50000) continue;  // the emulator takes its time
      EXPECT_EQ(on_device.Mode().ToVector<uint8_t>(), mode) << row.logits;
      cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kReverse);
      EXPECT_EQ(on_device.Sample(RandomKey(4), row.count, 1000).ToVector<uint8_t>(), drawn) << row.logits;
      EXPECT_EQ(on_device.Mode().ToVector<uint8_t>(), mode) << row.logits;
      cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
    }
  }
  // Rows that do not start at sixteen bytes, equal logits, and classes that are never drawn.
  const float never = -std::numeric_limits<float>::infinity();
  std::vector<float> ties(7 * 3, 1.0f);
  for (size_t i = 0; i < ties.size(); i += 7) ties[i] = never;
  const Array logits = Array::From({7, 3}, ties);
  const std::vector<uint8_t> drawn = Categorical(logits.Slice(1, 7)).Sample(RandomKey(4), 50).ToVector<uint8_t>();
  const std::vector<uint8_t> mode = Categorical(logits.Slice(1, 7)).Mode().ToVector<uint8_t>();
  autograd::StreamScope scope(*stream);
  const Categorical on_device(logits.To(*stream).Slice(1, 7));
  EXPECT_EQ(on_device.Sample(RandomKey(4), 50).ToVector<uint8_t>(), drawn);
  EXPECT_EQ(on_device.Mode().ToVector<uint8_t>(), mode);
}

TEST(CategoricalTest, GradientOfEntropyVanishesAtUniform) {
  autograd::Tape tape;
  const Variable logits = tape.Watch(Array::Full({1, 4}, kFloat64, 0.3));
  tape.Backward(Categorical(logits).Entropy());
  for (double g : tape.Gradient(logits).ToVector<double>()) EXPECT_NEAR(g, 0, 1e-15);
}

TEST(CategoricalTest, BFloat16LogitsAreComputedInFloat32) {
  const Array logits = Array::From<autograd::BFloat16>({1, 2}, {autograd::BFloat16(1.5f), autograd::BFloat16(-0.25f)});
  const Variable log_probability = Categorical(logits).LogProbability(Array::From<uint8_t>({1}, {1}));
  EXPECT_EQ(log_probability.dtype(), kFloat32);
  EXPECT_NEAR(log_probability.Item(), -0.25 - std::log(std::exp(1.5) + std::exp(-0.25)), 1e-6);
}

TEST(CategoricalTest, EmptyMaps) {
  const Categorical policy(Array::Zeros({0, 3, 4}, kFloat32));
  EXPECT_EQ(policy.Sample(RandomKey(1), 2).shape(), Shape({2, 0, 3}));
  EXPECT_EQ(policy.Entropy().size(), 0);
  EXPECT_EQ(policy.LogProbability(Array::Zeros({2, 0, 3}, kUInt8)).size(), 0);
}

TEST(CategoricalTest, Misuse) {
  ExpectError([] { Categorical(Array::Zeros({2, 256}, kFloat32)); }, "256 classes, not 1 to 255");
  ExpectError([] { Categorical(Array::Zeros({2, 3}, kUInt8)); }, "Categorical");
  const Categorical policy(Array::Zeros({2, 3}, kFloat32));
  ExpectError([&] { policy.LogProbability(Array::Zeros({3}, kUInt8)); }, "actions [3] for logits [2, 3]");
  ExpectError([&] { policy.LogProbability(Array::Full({2}, kUInt8, 3)); }, "action 3 of 3 classes");
  ExpectError([&] { policy.Divergence(Categorical(Array::Zeros({2, 4}, kFloat32))); }, "k is 3");
}

}  // namespace
}  // namespace rl
