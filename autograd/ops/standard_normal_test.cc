#include "autograd/ops/standard_normal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/core/captured_step.h"
#include "autograd/ops/standard_normal_functions.h"
#include "autograd/testing/cuda_device.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"
#include "autograd/testing/op_contract.h"
#include "autograd/testing/thread_counts.h"

namespace autograd {
namespace {

using testing::ExpectError;

// Draws are functions of fixed keys and the same on every machine, so no test here can fail by chance: the levels say
// how rare the numbers would be if they were not what they should.
constexpr double kSigmas = 3.89;  // of a normal statistic, two-sided level 1e-4

std::vector<float> Draw(const Shape& shape, const RandomKey& key, int64_t first_sample = 0) {
  return StandardNormal(shape, kFloat32, key, first_sample).ToVector<float>();
}

std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits(values.size());
  if (!values.empty()) std::memcpy(bits.data(), values.data(), 4 * values.size());
  return bits;
}

// From testdata/standard_normal.py, which rounds exact rationals.
TEST(StandardNormalTest, TheSameBitsOnEveryMachine) {
  const std::vector<float> expected = {
      0x1.12dc54p+0f,  0x1.1ca070p-4f,  0x1.f78b8ap+0f,  -0x1.26e800p-3f, 0x1.374e6ep-1f,  0x1.eb4e38p-4f,
      0x1.955c2cp-1f,  0x1.79ccf2p-3f,  -0x1.66e9d4p-1f, -0x1.44db16p-1f, -0x1.6ee4a8p-2f, 0x1.110e4ep-2f,
      -0x1.9d2364p+0f, 0x1.10f36cp-1f,  0x1.d0d55ap+0f,  0x1.b2ebbep+0f,  -0x1.012f04p+1f, 0x1.3ec2e6p-2f,
      0x1.b96c0ep+0f,  -0x1.e1c3f4p+0f, -0x1.c92ec4p+0f, -0x1.256b5ap-4f, -0x1.bef99ep+0f, -0x1.e930b8p-1f};
  EXPECT_EQ(Bits(Draw({24}, RandomKey(11, 3))), Bits(expected));
}

// Against the formula in float64. With u = 2^-24: s has two roundings, 2·artanh s one more and less than 0.2 in its
// small terms, so log is within 3.2 u of the fraction's; adding k·log 2 (log 2 itself rounded) costs at most 3 u more,
// as |log x| is never below |k·log 2|/2. √ halves that and rounds, the angle has three roundings, which move cos and
// sin by at most 3 u, their polynomials end in one rounding each and begin with less than one, and the product rounds:
// below 10 u of the radius in all.
TEST(StandardNormalTest, IsTheFormula) {
  const RandomKey key(5, 9);
  const double pi = std::acos(-1.0), unit = std::ldexp(1.0, -24);
  const std::vector<float> drawn = Draw({40000}, key);
  for (size_t i = 0; i < drawn.size(); i += 2) {
    const PhiloxWords words = Philox(key, i / 4);
    const uint32_t radius_word = i % 4 == 0 ? words.x : words.z, angle_word = i % 4 == 0 ? words.y : words.w;
    const double u = static_cast<double>(static_cast<float>(std::ldexp(static_cast<float>(radius_word) + 0.5, -32)));
    const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * pi * std::ldexp(angle_word, -32);
    ASSERT_NEAR(drawn[i], radius * std::cos(angle), 10 * unit * radius) << i;
    ASSERT_NEAR(drawn[i + 1], radius * std::sin(angle), 10 * unit * radius) << i;
  }
}

TEST(StandardNormalTest, EveryWordGivesAFiniteNumber) {
  const std::vector<uint32_t> words = {0u,          1u,          2u,          0x1FFFFFFFu, 0x20000000u, 0x3FFFFFFFu,
                                       0x40000000u, 0x5FFFFFFFu, 0x60000000u, 0x7FFFFFFFu, 0x80000000u, 0x9FFFFFFFu,
                                       0xA0000000u, 0xBFFFFFFFu, 0xC0000000u, 0xDFFFFFFFu, 0xE0000000u, 0xFFFFFFFFu};
  // -2·log 2^-33 = 66·log 2, with room for the rounding of the formula.
  const double largest = std::sqrt(66 * std::log(2.0)) * (1 + std::ldexp(10.0, -24));
  for (uint32_t radius_word : words) {
    for (uint32_t angle_word : words) {
      float first = 0, second = 0;
      normal::Pair(radius_word, angle_word, &first, &second);
      EXPECT_LE(std::hypot(first, second), largest) << radius_word << " " << angle_word;
    }
  }
}

// The moments of N(0, 1) are 0, 1, 0, 3; those of n numbers have the variances 1/n, 2/n, 15/n and 96/n.
TEST(StandardNormalTest, Moments) {
  constexpr int64_t kCount = 1 << 20;
  double sums[4] = {};
  for (float drawn : Draw({kCount}, RandomKey(1))) {
    double power = 1;
    for (double& sum : sums) sum += power *= drawn;
  }
  const double expected[] = {0, 1, 0, 3}, variance[] = {1, 2, 15, 96};
  for (int k = 0; k < 4; ++k)
    EXPECT_NEAR(sums[k] / kCount, expected[k], kSigmas * std::sqrt(variance[k] / kCount)) << k + 1;
}

// Kolmogorov & Smirnov: √n·sup|F_n − Φ| is above x with probability 2·Σ_k (−1)^(k−1)·exp(−2k²x²), which is 1e-4 at x =
// 2.2253.
TEST(StandardNormalTest, KolmogorovSmirnov) {
  constexpr int64_t kCount = 1 << 18;
  for (uint64_t seed : {1, 2, 3}) {
    std::vector<float> drawn = Draw({kCount}, RandomKey(seed));
    std::sort(drawn.begin(), drawn.end());
    double distance = 0;
    for (int64_t i = 0; i < kCount; ++i) {
      const double cumulative = 0.5 * std::erfc(-drawn[i] / std::sqrt(2.0));
      distance = std::max(
          {distance, cumulative - static_cast<double>(i) / kCount, static_cast<double>(i + 1) / kCount - cumulative});
    }
    EXPECT_LT(std::sqrt(static_cast<double>(kCount)) * distance, 2.2253) << seed;
  }
}

TEST(StandardNormalTest, Tails) {
  constexpr int64_t kCount = 1 << 22;
  const std::vector<float> drawn = Draw({kCount}, RandomKey(7));
  for (double bound : {2.0, 3.0, 4.0}) {
    const double probability = 0.5 * std::erfc(bound / std::sqrt(2.0)), mean = kCount * probability;
    const auto above = std::count_if(drawn.begin(), drawn.end(), [=](float x) { return x > bound; });
    const auto below = std::count_if(drawn.begin(), drawn.end(), [=](float x) { return x < -bound; });
    EXPECT_NEAR(static_cast<double>(above), mean, kSigmas * std::sqrt(mean)) << bound;
    EXPECT_NEAR(static_cast<double>(below), mean, kSigmas * std::sqrt(mean)) << bound;
  }
}

// Means of x·y and of (x² − 1)·(y² − 1) over n pairs of independent numbers have the variances 1/n and 4/n.
void ExpectIndependent(const std::vector<float>& x, const std::vector<float>& y, const char* what) {
  double products = 0, squares = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double a = x[i], b = y[i];
    products += a * b;
    squares += (a * a - 1) * (b * b - 1);
  }
  const auto count = static_cast<double>(x.size());
  EXPECT_NEAR(products / count, 0, kSigmas / std::sqrt(count)) << what;
  EXPECT_NEAR(squares / count, 0, kSigmas * 2 / std::sqrt(count)) << what;
}

TEST(StandardNormalTest, KeysAndNeighboursAreIndependent) {
  constexpr int64_t kCount = 1 << 19;
  const std::vector<float> drawn = Draw({kCount}, RandomKey(1));
  ExpectIndependent(drawn, Draw({kCount}, RandomKey(2)), "seeds 1 and 2");
  ExpectIndependent(drawn, Draw({kCount}, RandomKey(1).Split(uint64_t{0})), "a key and its split");
  ExpectIndependent(Draw({kCount}, RandomKey(1).Split(uint64_t{0})), Draw({kCount}, RandomKey(1).Split(1)), "splits");
  for (int64_t lag : {1, 2, 3, 4, 1024}) {
    ExpectIndependent({drawn.begin(), drawn.end() - lag}, {drawn.begin() + lag, drawn.end()},
                      ("lag " + std::to_string(lag)).c_str());
  }
}

TEST(StandardNormalTest, PartsOfABatchDrawWhatTheWholeDoes) {
  for (const int64_t size : {1, 7, 35}) {
    const std::vector<float> whole = Draw({9, size}, RandomKey(3));
    std::vector<float> parts;
    for (const auto& [begin, end] : {std::pair(0, 2), std::pair(2, 3), std::pair(3, 9)}) {
      const std::vector<float> part = Draw({end - begin, size}, RandomKey(3), begin);
      parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(Bits(parts), Bits(whole)) << size;
  }
}

TEST(StandardNormalTest, OtherTypesHoldTheSameNumbers) {
  const RandomKey key(4);
  const std::vector<float> drawn = Draw({3, 5}, key);
  EXPECT_EQ(StandardNormal({3, 5}, kFloat64, key).ToVector<double>(), std::vector<double>(drawn.begin(), drawn.end()));
  const std::vector<BFloat16> rounded = StandardNormal({3, 5}, kBFloat16, key).ToVector<BFloat16>();
  for (size_t i = 0; i < drawn.size(); ++i) EXPECT_EQ(rounded[i].bits, BFloat16(drawn[i]).bits) << i;
}

TEST(StandardNormalTest, ThreadCountDoesNotChangeABit) {
  EXPECT_TRUE(testing::SameForThreadCounts(
      [] { return std::vector<Array>{StandardNormal({100003}, kFloat32, RandomKey(3))}; }));
}

void ExpectTheCpusBits(Stream& stream) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{0, 4}, Shape{3, 7}, Shape{2, 3, 1001}}) {
    for (int64_t first_sample : {0, 1, 5}) {
      for (DType dtype : {kFloat32, kFloat64, kBFloat16}) {
        const Array expected = StandardNormal(shape, dtype, RandomKey(6), first_sample);
        std::vector<char> host(expected.bytes()), device(expected.bytes());
        expected.CopyToHost(host.data());
        StreamScope scope(stream);
        for (auto order : {cuda_emulator::ThreadOrder::kForward, cuda_emulator::ThreadOrder::kReverse}) {
          cuda_emulator::SetThreadOrder(order);
          StandardNormal(shape, dtype, RandomKey(6), first_sample).CopyToHost(device.data());
          EXPECT_EQ(device, host) << shape << " " << dtype << " from " << first_sample;
        }
        cuda_emulator::SetThreadOrder(cuda_emulator::ThreadOrder::kForward);
      }
    }
  }
}

TEST(StandardNormalTest, CudaInTheEmulatorGivesTheSameBits) { ExpectTheCpusBits(*cuda_emulator::OpenEmulatedStream()); }

TEST(StandardNormalTest, CudaGivesTheSameBits) {
  std::unique_ptr<Stream> stream;
  testing::OpenCudaOrSkip("cuda", stream);
  if (stream != nullptr) ExpectTheCpusBits(*stream);
}

// A recorded step draws anew each time, and what an eager one with the same key draws; on both backends.
TEST(StandardNormalTest, ARecordedStepDrawsAnewEachTime) {
  const RandomKey key(8);
  std::vector<std::vector<uint32_t>> expected;
  for (uint64_t i = 0; i < 3; ++i) expected.push_back(Bits(Draw({50}, key.Split(i))));
  EXPECT_NE(expected[0], expected[1]);
  const auto emulated = cuda_emulator::OpenEmulatedStream();
  for (Stream* stream : {&Stream::Cpu(), static_cast<Stream*>(emulated.get())}) {
    StreamScope scope(*stream);
    Array drawn;
    CapturedStep step([&](const RandomKey& now) { drawn = StandardNormal({50}, kFloat32, now); }, 0);
    for (uint64_t i = 0; i < 3; ++i) {
      step.Run(key, i);
      EXPECT_EQ(Bits(drawn.ToVector<float>()), expected[i]) << i;
    }
  }
}

TEST(StandardNormalTest, Misuse) {
  ExpectError([] { StandardNormal({3}, kInt32, RandomKey(1)); }, "StandardNormal: of a floating dtype only, not int32");
  ExpectError([] { StandardNormal({3}, kFloat32, RandomKey(1), -1); }, "StandardNormal: first_sample is -1");
}

}  // namespace
}  // namespace autograd
