#include "rl/objectives/categorical_surrogate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/tolerance.h"
#include "rl/estimators/masked_mean.h"
#include "rl/objectives/clipped_surrogate.h"
#include "rl/objectives/policy_gradient.h"
#include "rl/policies/categorical.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::DType;
using autograd::kFloat32;
using autograd::kFloat64;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::Shape;
using autograd::Tape;
using autograd::Variable;
using autograd::testing::AllClose;
using autograd::testing::ExpectError;
using autograd::testing::Inputs;
using autograd::testing::InputSpec;
using autograd::testing::OpCase;
using autograd::testing::RandomArray;

constexpr int64_t kSamples = 5, kImages = 2, kHeight = 9, kWidth = 8, kClasses = 6;
const Shape kLogits = {kImages, kHeight, kWidth, kClasses};
const Shape kActions = {kSamples, kImages, kHeight, kWidth};

Array Converted(const Array& x, DType dtype) {
  Array y = Array::Empty(x.shape(), dtype);
  autograd::kernels::Convert(autograd::Stream::Current(), x, y);
  return y;
}

Array RandomBytes(const Shape& shape, uint32_t below, RandomKey key) {
  std::vector<uint8_t> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<uint8_t>(autograd::UniformBelow(autograd::Philox(key, i).x, below));
  return Array::From(shape, values);
}

CategoricalSurrogateInputs Draws() {
  CategoricalSurrogateInputs inputs;
  inputs.actions = RandomBytes(kActions, kClasses, RandomKey(1));
  inputs.advantages = RandomArray(kActions, kFloat32, RandomKey(2), -2, 2);
  return inputs;
}

// Log-probabilities near enough to the policy's that some ratios are clipped on either side and others are not.
Array OldLogProbability(const Array& logits, const Array& actions) {
  const Array noise = RandomArray(actions.shape(), kFloat64, RandomKey(3), -0.6, 0.6);
  const Variable old = Categorical(Variable(Converted(logits, kFloat64))).LogProbability(actions);
  return Converted(autograd::Add(old, Variable(noise)).array(), kFloat32);
}

// The optional inputs are constants drawn for the case.
OpCase Case(const char* name, const CategoricalSurrogateOptions& options, bool old, bool masked, bool per_map = false,
            double positions = 0) {
  return OpCase{name,
                [=](Inputs x) {
                  CategoricalSurrogateInputs inputs = Draws();
                  if (per_map) inputs.advantages = RandomArray({kSamples, kImages}, kFloat32, RandomKey(2), -2, 2);
                  if (old)
                    inputs.old_log_probability =
                        OldLogProbability(RandomArray(kLogits, kFloat64, RandomKey(4)), inputs.actions);
                  if (masked) inputs.valid = RandomBytes({kImages, kHeight, kWidth}, 3, RandomKey(5));
                  if (positions > 0) inputs.positions = Array::Full({1}, kFloat64, positions);
                  if (options.divergence_weight != 0) {
                    inputs.reference_logits = Converted(RandomArray(kLogits, kFloat64, RandomKey(6)), x[0].dtype());
                  }
                  return CategoricalSurrogate(x[0], inputs, 321, options);
                },
                {{kLogits, -2, 2}}};
}

OP_CONTRACT(CategoricalSurrogate, Case("OnPolicy", {}, false, false), Case("OneAdvantageAMap", {}, false, true, true),
            Case("Ratio", {}, true, false), Case("RatioMasked", {0.1, 0.3, 0, 0}, true, true),
            Case("Entropy", {0.2, -1, 0.7, 0}, false, true), Case("Divergence", {0.2, -1, 0, 1.3}, false, true),
            Case("Everything", {0.2, -1, 0.4, 0.6}, true, true),
            Case("PositionsOfAllRanks", {0.2, -1, 0.4, 0.6}, false, true, false, 77));

// Twice as many positions make the means half as large.
TEST(CategoricalSurrogateTest, MeansAreOverThePositionsGiven) {
  const Variable logits(RandomArray(kLogits, kFloat64, RandomKey(4), -2, 2));
  CategoricalSurrogateInputs inputs = Draws();
  const auto means = [&] {
    Array statistics;
    const double loss = CategoricalSurrogate(logits, inputs, 0, {.entropy_weight = 1}, &statistics).Item();
    EXPECT_DOUBLE_EQ(loss, -statistics.ToVector<double>()[0]);
    return statistics.ToVector<double>();
  };
  const std::vector<double> counted = means();
  inputs.positions = Array::Full({1}, kFloat64, 2 * kImages * kHeight * kWidth);
  const std::vector<double> given = means();
  for (size_t i = 0; i < counted.size(); ++i) EXPECT_DOUBLE_EQ(2 * given[i], counted[i]) << i;
}

// Statistics, many classes, bfloat16, an undefined count and no gradient, against the CPU.
TEST(CategoricalSurrogateTest, CudaInTheEmulator) {
  struct Row {
    Shape logits;
    int64_t samples;
    DType dtype;
  };
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const Row& row : {Row{{2, 3, 5, 150}, 9, kFloat32}, Row{{1, 7, 9, 21}, 4, autograd::kBFloat16},
                         Row{{3, 4, 4, 255}, 40, kFloat64}, Row{{1, 32773, 2}, 2, kFloat32}}) {
    const Array logits = RandomArray(row.logits, row.dtype, RandomKey(4), -2, 2);
    const Shape positions(row.logits.begin(), row.logits.rank() - 1);
    std::vector<int64_t> extents(positions.begin(), positions.end());
    extents.insert(extents.begin(), row.samples);
    const Shape actions(extents);
    CategoricalSurrogateInputs inputs;
    inputs.actions = RandomBytes(actions, static_cast<uint32_t>(row.logits[-1]), RandomKey(1));
    inputs.advantages = RandomArray(actions, kFloat32, RandomKey(2), -2, 2);
    for (int64_t i = 0; i < inputs.advantages.size(); i += 3) inputs.advantages.data<float>()[i] = 0;
    inputs.old_log_probability = OldLogProbability(logits, inputs.actions);
    inputs.valid = RandomBytes(positions, 3, RandomKey(5));
    inputs.reference_logits = RandomArray(row.logits, row.dtype, RandomKey(6), -2, 2);
    CategoricalSurrogateInputs on_device;
    on_device.actions = inputs.actions.To(*stream);
    on_device.advantages = inputs.advantages.To(*stream);
    on_device.old_log_probability = inputs.old_log_probability.To(*stream);
    on_device.valid = inputs.valid.To(*stream);
    on_device.reference_logits = inputs.reference_logits.To(*stream);

    const CategoricalSurrogateOptions options{0.2, 0.3, 0.4, 0.6};
    Array statistics, device_statistics;
    Tape tape;
    const Variable watched = tape.Watch(logits);
    const Variable loss = CategoricalSurrogate(watched, inputs, Array(), options, &statistics);
    tape.Backward(loss);
    autograd::StreamScope scope(*stream);
    Tape device_tape;
    const Variable device_watched = device_tape.Watch(logits.To(*stream));
    const Variable device_loss = CategoricalSurrogate(device_watched, on_device, Array(), options, &device_statistics);
    device_tape.Backward(device_loss);
    // Float32 numbers that differ by a rounding may become neighbours in bfloat16.
    const double neighbours = 2.1 * autograd::testing::UnitRoundoff(autograd::kBFloat16);
    EXPECT_NEAR(device_loss.Item(), loss.Item(), 1e-5 * std::abs(loss.Item())) << row.logits;
    EXPECT_TRUE(AllClose(device_statistics, statistics, 1e-5)) << row.logits;
    EXPECT_TRUE(AllClose(device_tape.Gradient(device_watched), tape.Gradient(watched),
                         row.dtype == autograd::kBFloat16 ? neighbours : 1e-5))
        << row.logits;
    if (row.logits.size() > 50000) continue;  // the emulator takes its time
    const autograd::PauseTape pause;
    EXPECT_EQ(CategoricalSurrogate(device_watched, on_device, Array(), options).Item(), device_loss.Item());
  }
}

// The pure functions, composed: what the fused kernel must equal.
Variable Composed(const Variable& logits, const CategoricalSurrogateInputs& inputs, double count,
                  const CategoricalSurrogateOptions& options) {
  const Categorical policy(logits);
  const Variable log_probability = policy.LogProbability(inputs.actions);
  const Array advantages = Converted(autograd::BroadcastTo(inputs.advantages, inputs.actions.shape()), logits.dtype());
  Variable entries = inputs.old_log_probability.defined()
                         ? ClippedSurrogate(log_probability, Converted(inputs.old_log_probability, logits.dtype()),
                                            advantages, {.clip = options.clip, .clip_high = options.clip_high})
                         : PolicyGradient(log_probability, advantages);
  std::vector<double> mask(kImages * kHeight * kWidth, 1.0);
  double positions = 0;
  if (inputs.valid.defined()) {
    for (size_t i = 0; i < mask.size(); ++i) mask[i] = inputs.valid.ToVector<uint8_t>()[i] != 0 ? 1.0 : 0.0;
  }
  for (double m : mask) positions += m;
  const Variable valid(Converted(Array::From({kImages, kHeight, kWidth}, mask), logits.dtype()));
  Variable loss = autograd::Scale(autograd::Sum(autograd::Multiply(entries, valid)), 1 / count);
  loss = loss - autograd::Scale(autograd::Sum(autograd::Multiply(policy.Entropy(), valid)),
                                options.entropy_weight / positions);
  if (inputs.reference_logits.defined()) {
    const Variable divergence = policy.Divergence(Categorical(inputs.reference_logits));
    loss = loss +
           autograd::Scale(autograd::Sum(autograd::Multiply(divergence, valid)), options.divergence_weight / positions);
  }
  return loss;
}

TEST(CategoricalSurrogateTest, EqualsThePureFunctionsComposed) {
  const Array logits = RandomArray(kLogits, kFloat64, RandomKey(4), -2, 2);
  const CategoricalSurrogateOptions options{0.15, 0.3, 0.4, 0.6};
  for (bool old : {false, true}) {
    for (bool masked : {false, true}) {
      CategoricalSurrogateInputs inputs = Draws();
      if (old) inputs.old_log_probability = OldLogProbability(logits, inputs.actions);
      if (masked) inputs.valid = RandomBytes({kImages, kHeight, kWidth}, 3, RandomKey(5));
      inputs.reference_logits = RandomArray(kLogits, kFloat64, RandomKey(6), -2, 2);
      Tape fused_tape;
      const Variable fused_logits = fused_tape.Watch(logits);
      const Variable fused = CategoricalSurrogate(fused_logits, inputs, 77, options);
      fused_tape.Backward(fused);
      Tape tape;
      const Variable plain_logits = tape.Watch(logits);
      const Variable plain = Composed(plain_logits, inputs, 77, options);
      tape.Backward(plain);
      EXPECT_NEAR(fused.Item(), plain.Item(), 1e-12 * std::abs(plain.Item()) + 1e-14);
      EXPECT_TRUE(AllClose(fused_tape.Gradient(fused_logits), tape.Gradient(plain_logits), 1e-11))
          << "old " << old << " masked " << masked;
    }
  }
}

// A3C's policy and entropy terms (Mnih et al. 2016, algorithm S3): over T steps of two actions a position, the mean of
// −log π(a_t|s_t)·(R_t − V(s_t)) − λ·H(π(s_t)), with their own derivatives by the logits: the steps are the batch, and
// there are no old log-probabilities.
TEST(CategoricalSurrogateTest, WithoutOldLogProbabilitiesItIsThePolicyAndEntropyTermOfA3c) {
  constexpr int64_t kSteps = 4;
  constexpr double kWeight = 0.05;
  const Array logits = RandomArray({kSteps, 3, 5, 2}, kFloat64, RandomKey(21), -2, 2);
  CategoricalSurrogateInputs inputs;
  inputs.actions = RandomBytes({1, kSteps, 3, 5}, 2, RandomKey(22));
  inputs.advantages = RandomArray({1, kSteps, 3, 5}, kFloat32, RandomKey(23), -2, 2);
  inputs.valid = RandomBytes({kSteps, 3, 5}, 3, RandomKey(24));

  const std::vector<double> z = logits.ToVector<double>();
  const std::vector<uint8_t> actions = inputs.actions.ToVector<uint8_t>(), valid = inputs.valid.ToVector<uint8_t>();
  const std::vector<float> advantages = inputs.advantages.ToVector<float>();
  double value = 0, counted = 0;
  std::vector<double> gradient(z.size());
  for (uint8_t v : valid) counted += v != 0;
  for (size_t i = 0; i < valid.size(); ++i) {
    if (valid[i] == 0) continue;
    const double first = 1 / (1 + std::exp(z[2 * i + 1] - z[2 * i])), pi[] = {first, 1 - first};
    const double entropy = -(pi[0] * std::log(pi[0]) + pi[1] * std::log(pi[1]));
    value += (-advantages[i] * std::log(pi[actions[i]]) - kWeight * entropy) / counted;
    for (int k = 0; k < 2; ++k) {
      const double policy = advantages[i] * (pi[k] - (actions[i] == k ? 1 : 0));
      gradient[2 * i + k] = (policy + kWeight * pi[k] * (std::log(pi[k]) + entropy)) / counted;
    }
  }

  const auto expect = [&](const Variable& watched, const Variable& loss, Tape& tape) {
    tape.Backward(loss);
    EXPECT_NEAR(loss.Item(), value, 1e-13);
    EXPECT_TRUE(AllClose(tape.Gradient(watched), Array::From(logits.shape(), gradient), 1e-13));
  };
  const Array count = ValidPerRank(inputs.valid, inputs.valid.shape(), nullptr);
  Tape fused_tape;
  const Variable fused = fused_tape.Watch(logits);
  expect(fused, CategoricalSurrogate(fused, inputs, count, {.entropy_weight = kWeight}), fused_tape);
  Tape tape;
  const Variable watched = tape.Watch(logits);
  const Categorical policy(watched);
  const Variable entries = PolicyGradient(policy.LogProbability(inputs.actions), Converted(inputs.advantages, kFloat64),
                                          policy.Entropy(), kWeight);
  expect(watched, MaskedMean(entries, inputs.valid, count), tape);
}

// All K actions of every pixel, each with the weight of its probability, give the expected gradient. For the reward
// 1[a = y], normalised to (r − m)/s, it is −π_k·(1[k = y] − π_y)/s in closed form: the mean m drops out.
TEST(CategoricalSurrogateTest, EnumerationGivesTheExpectedGradient) {
  constexpr int64_t kPixels = 70;
  constexpr double kMean = 0.3, kDeviation = 0.45;
  const Array logits = RandomArray({1, kPixels, kClasses}, kFloat64, RandomKey(11), -2, 2);
  const Array labels = RandomBytes({kPixels}, kClasses, RandomKey(12));
  const std::vector<uint8_t> y = labels.ToVector<uint8_t>();
  std::vector<std::vector<double>> probability(kClasses);
  std::vector<uint8_t> actions;
  std::vector<float> advantages;
  for (int k = 0; k < kClasses; ++k) {
    const Array all = Array::Full({1, kPixels}, kUInt8, k);
    for (double log_probability : Categorical(logits).LogProbability(all).array().ToVector<double>()) {
      const size_t p = probability[k].size();
      probability[k].push_back(std::exp(log_probability));
      actions.push_back(static_cast<uint8_t>(k));
      advantages.push_back(static_cast<float>(probability[k][p] * ((k == y[p] ? 1.0 : 0.0) - kMean) / kDeviation));
    }
  }
  CategoricalSurrogateInputs inputs;
  inputs.actions = Array::From({kClasses, 1, kPixels}, actions);
  inputs.advantages = Array::From({kClasses, 1, kPixels}, advantages);
  Tape tape;
  const Variable watched = tape.Watch(logits);
  tape.Backward(CategoricalSurrogate(watched, inputs, 1));
  const std::vector<double> gradient = tape.Gradient(watched).ToVector<double>();
  for (int64_t p = 0; p < kPixels; ++p) {
    const double right = probability[y[p]][p];
    for (int k = 0; k < kClasses; ++k) {
      const double expected = -probability[k][p] * ((k == y[p] ? 1.0 : 0.0) - right) / kDeviation;
      EXPECT_NEAR(gradient[p * kClasses + k], expected, 1e-6) << "pixel " << p << " class " << k;
    }
  }
}

// The mean over many draws approaches the same closed form.
TEST(CategoricalSurrogateTest, SampledGradientIsUnbiased) {
  constexpr int64_t kDraws = 20000;
  const Array logits = Array::From<float>({1, 1, 3}, {0.5f, -0.3f, 0.1f});
  const Array actions = Categorical(logits).Sample(RandomKey(3), kDraws);
  std::vector<float> advantages;
  for (uint8_t a : actions.ToVector<uint8_t>()) advantages.push_back(a == 2 ? 1.0f : 0.0f);
  Tape tape;
  const Variable watched = tape.Watch(logits);
  tape.Backward(
      CategoricalSurrogate(watched, {actions, Array::From({kDraws, 1, 1}, advantages), {}, {}, {}, {}}, kDraws));
  const std::vector<float> gradient = tape.Gradient(watched).ToVector<float>();
  const double total = std::exp(0.5) + std::exp(-0.3) + std::exp(0.1);
  const std::vector<double> pi = {std::exp(0.5) / total, std::exp(-0.3) / total, std::exp(0.1) / total};
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(gradient[k], -pi[k] * ((k == 2) - pi[2]), 4 * 0.5 / std::sqrt(kDraws));
}

TEST(CategoricalSurrogateTest, RatioOneIsThePolicyGradient) {
  const Array logits = RandomArray(kLogits, kFloat32, RandomKey(4), -2, 2);
  CategoricalSurrogateInputs inputs = Draws();
  Tape first;
  const Variable on_policy = first.Watch(logits);
  first.Backward(CategoricalSurrogate(on_policy, inputs, 50));
  inputs.old_log_probability = Categorical(logits).LogProbability(inputs.actions).array();
  Tape second;
  const Variable ratio = second.Watch(logits);
  const Variable loss = CategoricalSurrogate(ratio, inputs, 50);
  second.Backward(loss);
  EXPECT_TRUE(AllClose(second.Gradient(ratio), first.Gradient(on_policy), 1e-6));
  double sum = 0;
  for (float a : inputs.advantages.ToVector<float>()) sum += a;
  EXPECT_NEAR(loss.Item(), -sum / 50, 1e-5);
}

TEST(CategoricalSurrogateTest, ClippingStopsTheGradientOnOneSideOnly) {
  // Two classes with π = 1/2; π_old puts the ratio at 2 (clipped for A > 0) or 1/2 (clipped for A < 0).
  const Array logits = Array::Zeros({1, 1, 2}, kFloat64);
  struct Row {
    double ratio;
    float advantage;
    double value, gradient;
  };
  for (const Row& row : {Row{2, 1, -1.2, 0}, Row{2, -1, 2, 1}, Row{0.5, 1, -0.5, -0.25}, Row{0.5, -1, 0.8, 0},
                         Row{1.1, 1, -1.1, -0.55}}) {
    Tape tape;
    const Variable watched = tape.Watch(logits);
    CategoricalSurrogateInputs inputs;
    inputs.actions = Array::Zeros({1, 1, 1}, kUInt8);
    inputs.advantages = Array::From<float>({1, 1}, {row.advantage});
    inputs.old_log_probability = Array::From<float>({1, 1, 1}, {static_cast<float>(std::log(0.5 / row.ratio))});
    Array statistics;
    const Variable loss = CategoricalSurrogate(watched, inputs, 1, {}, &statistics);
    tape.Backward(loss);
    EXPECT_NEAR(loss.Item(), row.value, 1e-6);
    EXPECT_NEAR(tape.Gradient(watched).ToVector<double>()[0], row.gradient, 1e-6);
    EXPECT_EQ(statistics.ToVector<double>()[2], row.gradient == 0 ? 1 : 0);
    EXPECT_NEAR(statistics.ToVector<double>()[0], std::log(2.0), 1e-12);
  }
}

TEST(CategoricalSurrogateTest, NothingCountsGivesExactlyZero) {
  const Array logits = RandomArray(kLogits, kFloat32, RandomKey(4), -2, 2);
  CategoricalSurrogateInputs inputs = Draws();
  inputs.advantages = Array::Zeros(kActions, kFloat32);
  Tape tape;
  const Variable watched = tape.Watch(logits);
  const Variable loss = CategoricalSurrogate(watched, inputs, 0);
  tape.Backward(loss);
  EXPECT_EQ(loss.Item(), 0);
  EXPECT_EQ(tape.Gradient(watched).ToVector<float>(), std::vector<float>(kLogits.size(), 0.0f));
  const auto stream = cuda_emulator::OpenEmulatedStream();
  {
    autograd::StreamScope scope(*stream);
    CategoricalSurrogateInputs on_device;
    on_device.actions = inputs.actions.To(*stream);
    on_device.advantages = inputs.advantages.To(*stream);
    Tape device_tape;
    const Variable device_watched = device_tape.Watch(logits.To(*stream));
    const Variable device_loss = CategoricalSurrogate(device_watched, on_device, 0);
    device_tape.Backward(device_loss);
    EXPECT_EQ(device_loss.Item(), 0);
    EXPECT_EQ(device_tape.Gradient(device_watched).ToVector<float>(), std::vector<float>(kLogits.size(), 0.0f));
  }

  inputs.valid = Array::Zeros({kImages, kHeight, kWidth}, kUInt8);
  EXPECT_EQ(CategoricalSurrogate(Variable(logits), inputs, 0, {0.2, -1, 0.5, 0}).Item(), 0);
}

TEST(CategoricalSurrogateTest, AnImpossibleActionWithoutAdvantageIsHarmless) {
  const float never = -std::numeric_limits<float>::infinity();
  const Array logits = Array::From<float>({1, 1, 2}, {0, never});
  Tape tape;
  const Variable watched = tape.Watch(logits);
  const Variable loss = CategoricalSurrogate(
      watched, {Array::Full({1, 1, 1}, kUInt8, 1), Array::Zeros({1, 1}, kFloat32), {}, {}, {}, {}}, 1);
  tape.Backward(loss);
  EXPECT_EQ(loss.Item(), 0);
  EXPECT_EQ(tape.Gradient(watched).ToVector<float>(), (std::vector<float>{0, 0}));
}

TEST(CategoricalSurrogateTest, SavesOneGradientWhateverTheSamples) {
  const Array logits = RandomArray(kLogits, kFloat32, RandomKey(4));
  Tape tape;
  CategoricalSurrogate(tape.Watch(logits), Draws(), 10);
  EXPECT_EQ(tape.SavedBytes(), autograd::EmptyLike(logits).storage_bytes());
}

TEST(CategoricalSurrogateTest, BFloat16Logits) {
  const Array logits = RandomArray(kLogits, autograd::kBFloat16, RandomKey(4), -2, 2);
  Tape tape;
  const Variable watched = tape.Watch(Converted(logits, kFloat32));
  const Variable loss = CategoricalSurrogate(watched, Draws(), 10);
  tape.Backward(loss);
  Tape again;
  const Variable half = again.Watch(logits);
  const Variable half_loss = CategoricalSurrogate(half, Draws(), 10);
  again.Backward(half_loss);
  EXPECT_EQ(half_loss.dtype(), kFloat32);
  EXPECT_EQ(half_loss.Item(), loss.Item());
  EXPECT_TRUE(AllClose(again.Gradient(half), tape.Gradient(watched), 0.005));
}

TEST(CategoricalSurrogateTest, Misuse) {
  const Variable logits(Array::Zeros(kLogits, kFloat32));
  CategoricalSurrogateInputs inputs = Draws();
  ExpectError([&] { CategoricalSurrogate(logits, inputs, -1); }, "count is -1");
  ExpectError([&] { CategoricalSurrogate(logits, inputs, 1, {0.2, -1, 0, 1}); }, "no reference_logits");
  ExpectError(
      [&] {
        CategoricalSurrogate(Variable(Array::Zeros({2, 9, 7, 6}, kFloat32)), inputs, 1);
      },
      "actions [5, 2, 9, 8] for logits [2, 9, 7, 6]");
  ExpectError([&] { CategoricalSurrogate(Variable(Array::Zeros({2, 9, 8, 3}, kFloat32)), inputs, 1); }, "of 3 classes");
  inputs.advantages = Array::Zeros({5, 3}, kFloat32);
  ExpectError([&] { CategoricalSurrogate(logits, inputs, 1); }, "advantages [5, 3]");
}

}  // namespace
}  // namespace rl
