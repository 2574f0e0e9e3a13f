#include "seg/models/context_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"
#include "seg/models/context_draws.h"

namespace seg {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::testing::ExpectError;

// Draws are functions of fixed keys and the same on every machine, so no test here can fail by chance: the level says
// how rare the numbers would be if they were not what they should.
constexpr double kSigmas = 3.89;  // of a normal statistic, two-sided level 1e-4

std::vector<uint8_t> Values(const Array& array) { return array.ToVector<uint8_t>(); }

// One row of pixels, each with the same logits.
Array Logits(int64_t pixels, float first, float second) {
  std::vector<float> logits;
  for (int64_t i = 0; i < pixels; ++i) logits.insert(logits.end(), {first, second});
  return Array::From<float>({1, 1, pixels, 2}, logits);
}

TEST(ContextMap, AdoptedLabelsCountFromOne) {
  const Array labels = Array::From<uint8_t>({1, 2, 3}, {0, 5, 254, 0, 254, 255}),
              actions = Array::From<uint8_t>({1, 2, 3}, {1, 1, 1, 0, 0, 1});
  const std::vector<uint8_t> expected = {1, 6, 255, 0, 0, 0};
  EXPECT_EQ(Values(ContextMap(labels, actions)), expected);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  EXPECT_EQ(Values(ContextMap(labels.To(*stream), actions.To(*stream))), expected);
}

TEST(ContextActions, GreedilyAtHalfOrAbove) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  // A tie, the two neighbours of one, large logits, and what is no number.
  const Array logits = Array::From<float>(
      {1, 2, 4, 2}, {0.25f, 0.25f, 0.25f, std::nextafter(0.25f, 1.0f), 0.25f, std::nextafter(0.25f, 0.0f), -3, 3,  //
                     1e30f, -1e30f, -infinity, infinity, infinity, -infinity, nan, 1});
  const std::vector<uint8_t> expected = {1, 1, 0, 1, 0, 1, 0, 0};
  EXPECT_EQ(Values(ContextActions(logits, std::nullopt)), expected);
  const auto stream = cuda_emulator::OpenEmulatedStream();
  autograd::StreamScope scope(*stream);
  EXPECT_EQ(Values(ContextActions(logits.To(*stream), std::nullopt)), expected);
}

// The definition in float64; words whose logit is within its rounding of the threshold are few and left out.
TEST(ContextActions, DrawnByTheDefinition) {
  const RandomKey key(3, 4);
  const Array logits = autograd::testing::RandomArray({2, 30, 37, 2}, autograd::kFloat32, RandomKey(1), -3, 3);
  const std::vector<float> values = logits.ToVector<float>();
  const std::vector<uint8_t> actions = Values(ContextActions(logits, key));
  int64_t near = 0;
  for (size_t i = 0; i < actions.size(); ++i) {
    const autograd::PhiloxWords words = autograd::Philox(key, i / 4);
    const uint32_t word[] = {words.x, words.y, words.z, words.w};
    const double u = std::ldexp(word[i % 4] + 0.5, -32);
    const double margin = 1 / (1 + std::exp(static_cast<double>(values[2 * i]) - values[2 * i + 1])) - u;
    if (std::abs(margin) < 1e-6) {
      ++near;
    } else {
      EXPECT_EQ(actions[i], margin > 0 ? 1 : 0) << i;
    }
  }
  EXPECT_LT(near, 5);
}

TEST(ContextActions, AsOftenAsTheirProbability) {
  constexpr int64_t kPixels = 1 << 18;
  for (float logit : {-4.0f, -1.0f, 0.0f, 0.5f, 3.0f}) {
    const std::vector<uint8_t> actions = Values(ContextActions(Logits(kPixels, 1, 1 + logit), RandomKey(5)));
    double adopted = 0;
    for (uint8_t action : actions) adopted += action;
    const double probability = 1 / (1 + std::exp(-static_cast<double>(logit)));
    EXPECT_NEAR(adopted / kPixels, probability, kSigmas * std::sqrt(probability * (1 - probability) / kPixels))
        << logit;
  }
}

TEST(ContextActions, CertaintyIsCertain) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Values(ContextActions(Logits(1000, 0, infinity), RandomKey(1))), std::vector<uint8_t>(1000, 1));
  EXPECT_EQ(Values(ContextActions(Logits(1000, infinity, 0), RandomKey(1))), std::vector<uint8_t>(1000, 0));
  EXPECT_EQ(Values(ContextActions(Logits(1000, 0, nan), RandomKey(1))), std::vector<uint8_t>(1000, 0));
  // The largest logit of a uniform number is log(2³³ − 1) = 22.87.
  EXPECT_EQ(Values(ContextActions(Logits(1000, 0, 23), RandomKey(1))), std::vector<uint8_t>(1000, 1));
  for (uint32_t word : {0u, 1u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFEu, 0xFFFFFFFFu}) {
    EXPECT_EQ(LogitOfUniform(word), -LogitOfUniform(~word)) << word;
    EXPECT_LE(std::abs(LogitOfUniform(word)), 23) << word;
  }
}

// Bit for bit, as are parts of a batch, on any number of threads.
TEST(ContextActions, TheSameOnEveryBackendAndForPartsOfABatch) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  const RandomKey key(7, 8);
  for (const autograd::Shape& shape :
       std::vector<autograd::Shape>{{5, 3, 7, 2}, {3, 9, 11, 2}, {0, 2, 2, 2}, {7, 1, 1, 2}}) {
    const Array logits = autograd::testing::RandomArray(shape, autograd::kFloat32, RandomKey(2), -2, 2);
    const std::vector<uint8_t> whole = Values(ContextActions(logits, key));
    std::vector<uint8_t> parts;
    for (int64_t n = 0; n < shape[0]; ++n) {
      const std::vector<uint8_t> part = Values(ContextActions(logits.Slice(n, n + 1), key, n));
      parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, whole) << shape;
    autograd::StreamScope scope(*stream);
    EXPECT_EQ(Values(ContextActions(logits.To(*stream), key)), whole) << shape;
    if (shape[0] < 3) continue;
    EXPECT_EQ(Values(ContextActions(logits.To(*stream).Slice(1, 3), key, 1)),
              std::vector<uint8_t>(whole.begin() + shape[1] * shape[2], whole.begin() + 3 * shape[1] * shape[2]));
  }
  const Array logits = autograd::testing::RandomArray({2, 97, 61, 2}, autograd::kFloat32, RandomKey(2), -2, 2);
  EXPECT_TRUE(autograd::testing::SameForThreadCounts([&] { return std::vector<Array>{ContextActions(logits, key)}; }));
  EXPECT_NE(Values(ContextActions(logits, key)), Values(ContextActions(logits, RandomKey(9))));
}

TEST(ContextMap, Misuse) {
  const Array labels = Array::Zeros({1, 4, 4}, autograd::kUInt8),
              logits = Array::Zeros({1, 4, 4, 2}, autograd::kFloat32);
  ExpectError([&] { ContextMap(labels, Array::Zeros({1, 4, 3}, autograd::kUInt8)); }, "ContextMap: w is 4 in labels");
  ExpectError([&] { ContextMap(labels, Array::Zeros({1, 4, 4}, autograd::kInt32)); }, "actions must be uint8");
  ExpectError(
      [&] {
        ContextActions(Array::Zeros({1, 4, 4, 3}, autograd::kFloat32), std::nullopt);
      },
      "ContextActions: policy_logits [1, 4, 4, 3] must have extent 2");
  ExpectError(
      [&] {
        ContextActions(Array::Zeros({1, 4, 4, 2}, autograd::kFloat64), std::nullopt);
      },
      "policy_logits must be float32");
  ExpectError([&] { ContextActions(logits, RandomKey(1), -1); }, "first_sample is -1");
}

}  // namespace
}  // namespace seg
