#include "autograd/ops/batch_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "autograd/ops/elementwise.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "autograd/testing/tolerance.h"

namespace autograd {
namespace {

using testing::AllClose;
using testing::ExpectError;
using testing::Inputs;
using testing::OpCase;
using testing::RandomArray;

// Running statistics of mean 0.1 and variance 0.5 for x's dtype.
Variable Apply(const Variable& x, const Variable& gamma, const Variable& beta, bool training,
               const BatchNormOptions& options) {
  const DType dtype = x.dtype() == kFloat64 ? kFloat64 : kFloat32;
  Array mean = Array::Full(gamma.shape(), dtype, 0.1), variance = Array::Full(gamma.shape(), dtype, 0.5);
  return BatchNorm(x, gamma, beta, mean, variance, training, options);
}

OpCase Case(const std::string& name, Shape shape, bool training, bool relu = false) {
  const int64_t c = shape[-1];
  return OpCase{name,
                [=](Inputs v) { return Apply(v[0], v[1], v[2], training, {.epsilon = 1e-3, .relu = relu}); },
                {{shape}, {{c}}, {{c}}},
                1e-6,
                2e-4,
                !relu};
}

OP_CONTRACT(BatchNorm, Case("Image", {3, 5, 7, 9}, true), Case("TwoRows", {2, 3}, true),
            Case("OneChannel", {17, 1}, true), Case("SeveralChunks", {9001, 3}, true),
            Case("WideChannels", {5, 1031}, true), Case("NoChannels", {4, 0}, true),
            Case("ImageRelu", {2, 3, 5, 16}, true, true), Case("Evaluation", {3, 5, 7}, false),
            Case("EvaluationOneRow", {1, 13}, false), Case("EvaluationNoRows", {0, 3}, false),
            Case("PacksInSeveralChunks", {1500, 48}, true), Case("EvaluationRelu", {4, 3, 3, 8}, false, true));

TEST(BatchNormTest, TrainingNormalisesAndMovesTheRunningStatistics) {
  // Mean 2.5, biased variance 1.25, unbiased 5/3.
  const Variable x(Array::From<float>({2, 2, 1}, {1, 2, 3, 4})), gamma(Array::Full({1}, kFloat32, 2)),
      beta(Array::Full({1}, kFloat32, 1));
  Array mean = Array::Full({1}, kFloat32, 1), variance = Array::Full({1}, kFloat32, 1);
  const void* const address = mean.raw();
  const std::vector<float> y =
      BatchNorm(x, gamma, beta, mean, variance, true, {.epsilon = 1.0, .momentum = 0.25}).array().ToVector<float>();
  const float expected[] = {-1, 1.0f / 3, 5.0f / 3, 3};
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(y[i], expected[i], 1e-6);
  EXPECT_NEAR(mean.Item(), 0.75 + 0.25 * 2.5, 1e-6);
  EXPECT_NEAR(variance.Item(), 0.75 + 0.25 * 5 / 3, 1e-6);
  EXPECT_EQ(mean.raw(), address);
}

TEST(BatchNormTest, EvaluationUsesAndKeepsTheRunningStatistics) {
  const Variable x(Array::From<float>({3, 1}, {1, 5, -3})), gamma(Array::Full({1}, kFloat32, 2)),
      beta(Array::Full({1}, kFloat32, 1));
  Array mean = Array::Full({1}, kFloat32, 1), variance = Array::Full({1}, kFloat32, 3);
  const Variable y = BatchNorm(x, gamma, beta, mean, variance, false, {.epsilon = 1.0});
  EXPECT_EQ(y.array().ToVector<float>(), (std::vector<float>{1, 5, -3}));
  EXPECT_EQ(mean.Item(), 1);
  EXPECT_EQ(variance.Item(), 3);
}

TEST(BatchNormTest, ReluFusedIsReluBehind) {
  const Shape shape{2, 5, 7, 12};
  const Array x = RandomArray(shape, kFloat32, RandomKey(1)), dy = RandomArray(shape, kFloat32, RandomKey(2));
  const Array gamma = RandomArray({12}, kFloat32, RandomKey(3)), beta = RandomArray({12}, kFloat32, RandomKey(4));
  for (const bool training : {true, false}) {
    std::vector<Array> results[2];
    for (int fused = 0; fused < 2; ++fused) {
      Tape tape;
      const Variable v = tape.Watch(x), g = tape.Watch(gamma), b = tape.Watch(beta);
      const Variable y = fused ? Apply(v, g, b, training, {.relu = true}) : Relu(Apply(v, g, b, training, {}));
      tape.Backward(y, dy);
      results[fused] = {y.array(), tape.Gradient(v), tape.Gradient(g), tape.Gradient(b)};
    }
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(AllClose(results[1][i], results[0][i], 1e-6)) << training << i;
  }
}

TEST(BatchNormTest, LargeMeanDoesNotDrownTheVariance) {
  std::vector<float> values;
  for (int i = 0; i < 20000; ++i) values.push_back(10000.0f + static_cast<float>(i / 100 % 2));
  const std::unique_ptr<Stream> emulated = cuda_emulator::OpenEmulatedStream();
  for (Stream* const stream : {&Stream::Cpu(), emulated.get()}) {
    StreamScope scope(*stream);
    const Variable one(Array::Full({1}, kFloat32, 1)), zero(Array::Zeros({1}, kFloat32));
    const std::vector<float> y =
        Apply(Array::From({20000, 1}, values), one, zero, true, {.epsilon = 0}).array().ToVector<float>();
    // The mean may be rounded to a float32 beside 10000.5, 2^-11 away at most and so 2^-10 deviations.
    for (int i = 0; i < 20000; i += 50) EXPECT_NEAR(y[i], i / 100 % 2 == 0 ? -1 : 1, 0x1.1p-10);
  }
}

// Plays the other replicas: notes what this one has, or answers what all have together.
struct Recorder {
  std::vector<Array> noted;
  bool answers = false;
  size_t next = 0;
  static void Sum(Array& values, void* context) {
    Recorder& self = *static_cast<Recorder*>(context);
    if (self.answers) {
      std::memcpy(values.raw(), self.noted[self.next++].raw(), values.bytes());
    } else {
      self.noted.push_back(values.Copy());
    }
  }
};

TEST(BatchNormTest, ReplicasTogetherDoWhatOneDoes) {
  const Array x = RandomArray({8, 3, 3, 5}, kFloat32, RandomKey(1)),
              dy = RandomArray({8, 3, 3, 5}, kFloat32, RandomKey(2));
  const Array gamma = RandomArray({5}, kFloat32, RandomKey(3)), beta = RandomArray({5}, kFloat32, RandomKey(4));
  Recorder recorder;
  auto run = [&](int64_t begin, int64_t end) {
    recorder.next = 0;
    Tape tape;
    const Variable v = tape.Watch(x.Slice(begin, end)), g = tape.Watch(gamma);
    const Variable y = Apply(v, g, beta, true, {.relu = true, .replicas = {Recorder::Sum, &recorder}});
    tape.Backward(y, dy.Slice(begin, end));
    return std::vector<Array>{y.array(), tape.Gradient(v), tape.Gradient(g)};
  };
  const std::vector<Array> whole = run(0, 8);
  recorder.answers = true;
  const std::vector<Array> first = run(0, 3), second = run(3, 8);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(AllClose(first[i], whole[i].Slice(0, 3), 1e-6));
    EXPECT_TRUE(AllClose(second[i], whole[i].Slice(3, 8), 1e-6));
  }
  const auto a = first[2].ToVector<float>(), b = second[2].ToVector<float>(), sum = whole[2].ToVector<float>();
  // 72 products of numbers below 4 (deviations of a uniform draw) and 1, summed in double and rounded to float32 once.
  for (int c = 0; c < 5; ++c) EXPECT_NEAR(a[c] + b[c], sum[c], 3 * testing::UnitRoundoff(kFloat32) * 72 * 4);

  // And what is summed is additive: the moments of the parts give those of the whole.
  Recorder parts;
  for (int part = 0; part < 2; ++part) {
    Apply(part == 0 ? x.Slice(0, 3) : x.Slice(3, 8), gamma, beta, true, {.replicas = {Recorder::Sum, &parts}});
  }
  const auto p = parts.noted[0].ToVector<double>(), q = parts.noted[1].ToVector<double>(),
             all = recorder.noted[0].ToVector<double>();
  // 72 squares of differences below 2, each rounded to float32.
  const double rounding = 3 * testing::RoundingOfSum(kFloat32, 74) * 72 * 4;
  for (size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(p[i] + q[i], all[i], rounding);
  EXPECT_EQ(all.back(), 72);
}

TEST(BatchNormTest, ThreadCountDoesNotChangeABit) {
  const Array x = RandomArray({9000, 20}, kFloat32, RandomKey(1)), dy = RandomArray({9000, 20}, kFloat32, RandomKey(2));
  const Array gamma = RandomArray({20}, kFloat32, RandomKey(3)), beta = RandomArray({20}, kFloat32, RandomKey(4));
  EXPECT_TRUE(testing::SameForThreadCounts([&] {
    Tape tape;
    const Variable v = tape.Watch(x), g = tape.Watch(gamma);
    const Variable y = Apply(v, g, beta, true, {.relu = true});
    tape.Backward(y, dy);
    return std::vector<Array>{y.array(), tape.Gradient(v), tape.Gradient(g)};
  }));
}

TEST(BatchNormTest, Misuse) {
  Array mean = Array::Zeros({3}, kFloat32), variance = Array::Full({3}, kFloat32, 1),
        wide = Array::Zeros({3}, kFloat64), four = Array::Zeros({4}, kFloat32);
  const Variable x(Array::Zeros({2, 3}, kFloat32)), gamma(Array::Zeros({3}, kFloat32)),
      single(Array::Zeros({1, 1, 1, 3}, kFloat32));
  ExpectError([&] { BatchNorm(x, four, four, mean, variance, true); },
              "BatchNorm: c is 3 in x [2, 3] but 4 in gamma [4]");
  ExpectError([&] { BatchNorm(x, gamma, gamma, four, variance, true); },
              "BatchNorm: c is 3 in x [2, 3] but 4 in running_mean [4]");
  ExpectError([&] { BatchNorm(x, gamma, gamma, wide, variance, true); },
              "BatchNorm: running_mean must be float32, not float64 [3]");
  ExpectError([&] { BatchNorm(single, gamma, gamma, mean, variance, true); },
              "BatchNorm: needs more than one value a channel in training, x is [1, 1, 1, 3]");
  EXPECT_EQ(mean.ToVector<float>(), std::vector<float>(3, 0));
}

}  // namespace
}  // namespace autograd
