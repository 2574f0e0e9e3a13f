#include "rl/estimators/posterior_credit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
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

using Matrix = std::vector<std::vector<double>>;

// Gaussian elimination with pivoting.
std::vector<double> Solve(Matrix a, std::vector<double> x) {
  const size_t n = x.size();
  for (size_t k = 0; k < n; ++k) {
    size_t best = k;
    for (size_t i = k; i < n; ++i) best = std::abs(a[i][k]) > std::abs(a[best][k]) ? i : best;
    std::swap(a[k], a[best]);
    std::swap(x[k], x[best]);
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      x[i] -= factor * x[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) x[k] -= a[k][j] * x[j];
    x[k] /= a[k][k];
  }
  return x;
}

double Dot(const std::vector<double>& x, const std::vector<double>& y) {
  return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
}

// The formulas of the header, a system of equations for each class and position.
std::vector<double> Definition(const Array& rewards, const Draws& draws, const std::vector<uint8_t>& valid) {
  const int64_t n = draws.actions.shape()[0], b = draws.actions.shape()[1], pixels = draws.actions.shape()[2];
  const auto maps = static_cast<double>(n);
  const std::vector<float> r = rewards.ToVector<float>(), log_pi = draws.log_probability.ToVector<float>();
  const std::vector<uint8_t> a = draws.actions.ToVector<uint8_t>();
  std::vector<double> result(a.size());
  for (int64_t image = 0; image < b; ++image) {
    std::vector<std::vector<double>> pi;  // of each position at which maps differ
    std::vector<int64_t> uncertain;
    Matrix shares(n, std::vector<double>(n));
    std::vector<double> expected(n);
    for (int64_t p = image * pixels; p < (image + 1) * pixels; ++p) {
      bool differ = false;
      for (int64_t i = 0; i < n; ++i) differ |= a[i * b * pixels + p] != a[p];
      if (!differ || valid[p] == 0) continue;
      uncertain.push_back(p);
      pi.emplace_back(n);
      for (int64_t i = 0; i < n; ++i)
        expected[i] += pi.back()[i] = std::exp(static_cast<double>(log_pi[i * b * pixels + p]));
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const bool same = a[i * b * pixels + p] == a[j * b * pixels + p];
          shares[i][j] += (same ? pi.back()[i] : 0) - pi.back()[i] * pi.back()[j];
        }
      }
    }
    double mean = 0, variance = 0, mean_expected = 0, spread = 0;
    for (int64_t i = 0; i < n; ++i) {
      mean += r[i * b + image] / maps;
      mean_expected += expected[i] / maps;
    }
    for (int64_t i = 0; i < n; ++i) {
      variance += std::pow(r[i * b + image] - mean, 2) / (maps - 1);
      spread += std::pow(expected[i] - mean_expected, 2) / maps + shares[i][i] / maps;
      for (int64_t j = 0; j < n; ++j) spread -= shares[i][j] / (maps * maps);
    }
    const double delta = std::sqrt(0.9 * variance / std::max(spread, 0.25));
    Matrix covariance(n, std::vector<double>(n));
    std::vector<double> residual(n);
    for (int64_t i = 0; i < n; ++i) {
      residual[i] = r[i * b + image] - mean - delta * (expected[i] - mean_expected);
      for (int64_t j = 0; j < n; ++j)
        covariance[i][j] = delta * delta * shares[i][j] + variance * (100 + (i == j ? 0.1 : 0));
    }
    const std::vector<double> weighted = Solve(covariance, residual);
    for (size_t q = 0; q < uncertain.size(); ++q) {
      const int64_t p = uncertain[q];
      std::vector<double> count(256), probability(256), posterior(256);
      for (int64_t i = 0; i < n; ++i) {
        const uint8_t c = a[i * b * pixels + p];
        count[c] += 1;
        probability[c] = pi[q][i];
      }
      double shown = 0, normalizer = 0;
      const auto factor = [&](int c) {
        std::vector<double> u(n);
        for (int64_t i = 0; i < n; ++i) u[i] = (a[i * b * pixels + p] == c ? 1 : 0) - pi[q][i];
        const double ratio = delta * Dot(u, weighted) - 0.5 * delta * delta * Dot(u, Solve(covariance, u));
        return std::exp(std::clamp(ratio, -20.0, 20.0));
      };
      for (int c = 0; c < 256; ++c) {
        if (count[c] == 0) continue;
        normalizer += posterior[c] = probability[c] * factor(c);
        shown += probability[c];
      }
      normalizer += std::max(0.0, 1 - shown) * factor(-1);
      for (int64_t i = 0; i < n; ++i) {
        const uint8_t c = a[i * b * pixels + p];
        result[i * b * pixels + p] = maps / count[c] * (posterior[c] / normalizer - probability[c]);
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

// Two positions; the score is the share of right ones. Each position's right class gains, and where the policy is wrong
// and sure it gains as much as where it is in doubt: what a policy gradient does not do.
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
  EXPECT_GT(gained[0], 0.4);                                                // of at most 1/2
  EXPECT_GE(gained[1], gained[0]);                                          // a policy gradient gives it a quarter
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
    // A class's factor waits as a float32, and 1 is taken from it.
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(measured[i], expected[i], 1e-6 * (1 + std::abs(expected[i]))) << i;
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
