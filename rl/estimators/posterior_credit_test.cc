#include "rl/estimators/posterior_credit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/op_contract.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::kFloat32;
using autograd::kUInt8;
using autograd::RandomKey;
using autograd::testing::ExpectError;
using autograd::testing::RandomArray;

// Maps drawn from a policy, with its log-probabilities.
struct Draws {
  Array actions, log_probability;
};

Draws Draw(int64_t maps, int64_t images, int64_t pixels, int64_t classes, RandomKey key) {
  std::vector<uint8_t> actions(maps * images * pixels);
  std::vector<float> log_probability(actions.size());
  for (int64_t p = 0; p < images * pixels; ++p) {
    std::vector<double> weight(classes);
    double total = 0;
    for (int64_t c = 0; c < classes; ++c)
      total += weight[c] = std::exp(4.0 * autograd::UniformFloat(autograd::Philox(key.Split("w"), p * classes + c).x));
    for (int64_t i = 0; i < maps; ++i) {
      double left = total * autograd::UniformFloat(autograd::Philox(key, i * images * pixels + p).x);
      int64_t c = 0;
      while (c + 1 < classes && left >= weight[c]) left -= weight[c++];
      actions[i * images * pixels + p] = static_cast<uint8_t>(c);
      log_probability[i * images * pixels + p] = static_cast<float>(std::log(weight[c] / total));
    }
  }
  return {Array::From({maps, images, pixels}, actions), Array::From({maps, images, pixels}, log_probability)};
}

// The formulas of the header, by pairs and without shortcuts.
std::vector<double> Definition(const Array& rewards, const Draws& draws, const std::vector<uint8_t>& valid) {
  const int64_t n = draws.actions.shape()[0], b = draws.actions.shape()[1], pixels = draws.actions.shape()[2];
  const std::vector<float> r = rewards.ToVector<float>(), log_pi = draws.log_probability.ToVector<float>();
  const std::vector<uint8_t> a = draws.actions.ToVector<uint8_t>();
  std::vector<double> result(a.size());
  for (int64_t image = 0; image < b; ++image) {
    double mean = 0, variance = 0, spread = 0;
    for (int64_t i = 0; i < n; ++i) mean += static_cast<double>(r[i * b + image]) / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) variance += std::pow(r[i * b + image] - mean, 2) / static_cast<double>(n - 1);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t p = 0; p < pixels && i != j; ++p) {
          const int64_t q = image * pixels + p;
          if (valid[q] != 0 && a[i * b * pixels + q] != a[j * b * pixels + q])
            spread += 0.5 / static_cast<double>(n * (n - 1));
        }
      }
    }
    const double delta = std::sqrt(variance / std::max(spread, 0.25));
    for (int64_t p = image * pixels; p < (image + 1) * pixels; ++p) {
      if (valid[p] == 0) continue;
      std::vector<double> count(256), sum(256), pi(256), posterior(256);
      double total = 0, shown = 0, normalizer = 0;
      for (int64_t i = 0; i < n; ++i) {
        const uint8_t c = a[i * b * pixels + p];
        count[c] += 1;
        sum[c] += r[i * b + image];
        total += r[i * b + image];
        pi[c] = std::exp(static_cast<double>(log_pi[i * b * pixels + p]));
      }
      for (int c = 0; c < 256; ++c) {
        if (count[c] == 0) continue;
        const double others = static_cast<double>(n) - count[c];
        const double difference = others > 0 ? sum[c] / count[c] - (total - sum[c]) / others : 0;
        const double ratio =
            count[c] * others / static_cast<double>(n) * (delta * difference - 0.5 * delta * delta) / variance;
        posterior[c] = pi[c] * std::exp(std::clamp(ratio, -20.0, 20.0));
        normalizer += posterior[c];
        shown += pi[c];
      }
      normalizer += std::max(0.0, 1 - shown);
      for (int64_t i = 0; i < n; ++i) {
        const uint8_t c = a[i * b * pixels + p];
        if (count[c] < static_cast<double>(n))
          result[i * b * pixels + p] = static_cast<double>(n) / count[c] * (posterior[c] / normalizer - pi[c]);
      }
    }
  }
  return result;
}

TEST(PosteriorCreditTest, IsTheDefinition) {
  constexpr int64_t kMaps = 13, kImages = 3, kPixels = 29;
  const Draws draws = Draw(kMaps, kImages, kPixels, 5, RandomKey(1));
  const Array rewards = RandomArray({kMaps, kImages}, kFloat32, RandomKey(2), 0, 1);
  std::vector<uint8_t> valid(kImages * kPixels, 1);
  for (size_t p = 0; p < valid.size(); p += 7) valid[p] = 0;
  const std::vector<double> expected = Definition(rewards, draws, valid);
  const std::vector<float> measured =
      PosteriorCredit(rewards, draws.actions, draws.log_probability, Array::From({kImages, kPixels}, valid))
          .ToVector<float>();
  double largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(measured[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
    largest = std::max(largest, std::abs(expected[i]));
  }
  EXPECT_GT(largest, 0.5);
}

// Two positions; the score is the share of right ones. Each position's right class gains, and where the policy is wrong and sure it gains as much as
// where it is in doubt: what a policy gradient does not do.
TEST(PosteriorCreditTest, MovesAPolicyThatIsWrongAndSure) {
  constexpr int64_t kMaps = 64;
  std::vector<uint8_t> actions;
  std::vector<float> rewards, log_probability;
  for (int64_t i = 0; i < kMaps; ++i) {
    const bool in_doubt = i % 2 == 0, sure = i % 16 == 1;  // right at the one, right at the other
    actions.insert(actions.end(), {static_cast<uint8_t>(in_doubt), static_cast<uint8_t>(sure)});
    rewards.push_back(static_cast<float>(in_doubt) / 2 + static_cast<float>(sure) / 2);
    log_probability.push_back(std::log(0.5f));
    log_probability.push_back(std::log(sure ? 1 / 16.0f : 15 / 16.0f));
  }
  const std::vector<float> credit =
      PosteriorCredit(Array::From({kMaps, 1}, rewards), Array::From({kMaps, 1, 2}, actions),
                      Array::From({kMaps, 1, 2}, log_probability))
          .ToVector<float>();
  double gained[2] = {}, lost[2] = {};
  for (int64_t i = 0; i < kMaps; ++i) {
    for (int p = 0; p < 2; ++p) (actions[2 * i + p] == 1 ? gained : lost)[p] += credit[2 * i + p] / kMaps;
  }
  for (int p = 0; p < 2; ++p) EXPECT_NEAR(gained[p], -lost[p], 1e-5) << p;  // posterior and policy both sum to 1
  EXPECT_GT(gained[0], 0.45);                                               // of at most 1/2
  EXPECT_GT(gained[1], 0.45);                                               // of at most 15/16
}

TEST(PosteriorCreditTest, NoEvidenceNoCredit) {
  const Draws draws = Draw(6, 2, 20, 3, RandomKey(4));
  const std::vector<float> none(6 * 2 * 20, 0.0f);
  EXPECT_EQ(PosteriorCredit(Array::Full({6, 2}, kFloat32, 0.1), draws.actions, draws.log_probability).ToVector<float>(),
            none);
  const Array scores = RandomArray({6, 2}, kFloat32, RandomKey(5), 0, 1);
  EXPECT_EQ(
      PosteriorCredit(scores, Array::Full({6, 2, 20}, kUInt8, 2), Array::Zeros({6, 2, 20}, kFloat32)).ToVector<float>(),
      none);
  const Draws one = Draw(1, 2, 20, 3, RandomKey(4));
  EXPECT_EQ(PosteriorCredit(Array::Full({1, 2}, kFloat32, 0.3), one.actions, one.log_probability).ToVector<float>(),
            std::vector<float>(40, 0.0f));
}

TEST(PosteriorCreditTest, CudaInTheEmulator) {
  const auto stream = cuda_emulator::OpenEmulatedStream();
  for (const auto& [maps, images, pixels, classes] :
       {std::array<int64_t, 4>{13, 3, 29, 5}, {64, 2, 9, 59}, {2, 1, 300, 2}, {1, 2, 5, 3}, {8, 2, 0, 3}}) {
    const Draws draws = Draw(maps, images, pixels, classes, RandomKey(1));
    const Array rewards = RandomArray({maps, images}, kFloat32, RandomKey(2), 0, 1);
    std::vector<uint8_t> valid(images * pixels, 1);
    for (size_t p = 0; p < valid.size(); p += 5) valid[p] = 0;
    const Array mask = Array::From({images, pixels}, valid);
    const std::vector<float> expected =
        PosteriorCredit(rewards, draws.actions, draws.log_probability, mask).ToVector<float>();
    autograd::StreamScope scope(*stream);
    const std::vector<float> measured = PosteriorCredit(rewards.To(*stream), draws.actions.To(*stream),
                                                        draws.log_probability.To(*stream), mask.To(*stream))
                                            .ToVector<float>();
    ASSERT_EQ(measured.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ(measured[i], expected[i]) << i;
  }
}

TEST(PosteriorCreditTest, Misuse) {
  const Draws draws = Draw(4, 2, 3, 3, RandomKey(4));
  const Array rewards = Array::Zeros({4, 2}, kFloat32);
  ExpectError(
      [&] {
        PosteriorCredit(Array::Zeros({3, 2}, kFloat32), draws.actions, draws.log_probability);
      },
      "PosteriorCredit: actions [4, 2, 3] for rewards [3, 2]");
  ExpectError(
      [&] {
        PosteriorCredit(rewards, draws.actions, Array::Zeros({4, 2}, kFloat32));
      },
      "PosteriorCredit: log_probability [4, 2] for actions [4, 2, 3]");
  ExpectError(
      [&] {
        PosteriorCredit(rewards, draws.actions, draws.log_probability, Array::Zeros({2, 4}, kUInt8));
      },
      "PosteriorCredit: valid [2, 4] for actions [4, 2, 3]");
}

}  // namespace
}  // namespace rl
