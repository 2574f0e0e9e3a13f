#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/runtime/parallel.h"
#include "rl/estimators/posterior_credit_kernels.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

namespace {

struct Maps {
  int64_t count, images, positions, pixels;  // positions: of all images
  const uint8_t* action;
  const float* log_probability;
  const uint8_t* valid;

  Maps(const Array& actions, const Array& log_probabilities, const Array& mask)
      : count(actions.shape()[0]),
        images(actions.shape()[1]),
        positions(count == 0 ? 0 : actions.size() / count),
        pixels(images == 0 ? 0 : positions / images),
        action(actions.data<uint8_t>()),
        log_probability(log_probabilities.data<float>()),
        valid(mask.defined() ? mask.data<uint8_t>() : nullptr) {}
  // Whether the maps differ at a position that counts; if so, what they show there and how probable it is. Classes as
  // doubles: loops that compare them and add doubles vectorise.
  bool Load(int64_t position, std::vector<double>& shown, std::vector<double>& probability) const {
    if (valid != nullptr && valid[position] == 0) return false;
    bool differ = false;
    for (int64_t i = 0; i < count; ++i) {
      shown[i] = action[i * positions + position];
      differ |= shown[i] != shown[0];
    }
    if (!differ) return false;
    for (int64_t i = 0; i < count; ++i)
      probability[i] = std::exp(static_cast<double>(log_probability[i * positions + position]));
    return true;
  }
};

// a becomes its inverse: Gauss-Jordan without pivoting, for a symmetric positive definite matrix.
void Invert(double* a, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    double* const pivot_row = a + k * n;
    const double inverse = 1 / pivot_row[k];
    pivot_row[k] = 1;
    for (int64_t j = 0; j < n; ++j) pivot_row[j] *= inverse;
    for (int64_t i = 0; i < n; ++i) {
      if (i == k) continue;
      double* const row = a + i * n;
      const double factor = row[k];
      row[k] = 0;
      for (int64_t j = 0; j < n; ++j) row[j] -= factor * pivot_row[j];
    }
  }
}

}  // namespace

void ScoreCovariance(Stream&, const Array& actions, const Array& log_probability, const Array& valid, Array& covariance,
                     Array& expected) {
  const Maps maps(actions, log_probability, valid);
  const int64_t n = maps.count;
  ParallelFor(maps.images, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> shown(n), probability(n);
    for (int64_t image = begin; image < end; ++image) {
      double* const sum = covariance.data<double>() + image * n * n;
      double* const mean = expected.data<double>() + image * n;
      std::fill(sum, sum + n * n, 0.0);
      std::fill(mean, mean + n, 0.0);
      for (int64_t p = image * maps.pixels; p < (image + 1) * maps.pixels; ++p) {
        if (!maps.Load(p, shown, probability)) continue;
        for (int64_t i = 0; i < n; ++i) {
          const double own = probability[i], a = shown[i];
          double* const row = sum + i * n;
          mean[i] += own;
          for (int64_t j = 0; j <= i; ++j) row[j] += own * ((shown[j] == a ? 1.0 : 0.0) - probability[j]);
        }
      }
    }
  });
}

void InvertScoreCovariance(Stream&, const Array& rewards, Array& covariance, Array& expected, Array& delta) {
  const int64_t n = rewards.shape()[0], images = rewards.shape()[1];
  const float* const reward = rewards.data<float>();
  ParallelFor(images, 1, [&](int64_t begin, int64_t end) {
    std::vector<double> residual(n);
    for (int64_t image = begin; image < end; ++image) {
      double* const k = covariance.data<double>() + image * n * n;
      double* const mean = expected.data<double>() + image * n;
      const posterior::Summary found = posterior::Summarize(reward + image, images, n, k, mean);
      delta.data<double>()[image] = found.delta;
      if (found.delta == 0) continue;
      for (int64_t i = 0; i < n; ++i) {
        residual[i] = reward[i * images + image] - found.mean_score - found.delta * (mean[i] - found.mean_expected);
        for (int64_t j = 0; j <= i; ++j) {
          k[i * n + j] = found.delta * found.delta * k[i * n + j] + posterior::kFlat * found.variance;
          if (i == j) k[i * n + i] += posterior::kNoise * found.variance;
          k[j * n + i] = k[i * n + j];
        }
      }
      Invert(k, n);
      for (int64_t i = 0; i < n; ++i) {
        double weighted = 0;
        for (int64_t j = 0; j < n; ++j) weighted += k[i * n + j] * residual[j];
        mean[i] = weighted;
      }
    }
  });
}

void PosteriorCredit(Stream&, const Array& actions, const Array& log_probability, const Array& valid,
                     const Array& inverse, const Array& weighted, const Array& delta, Array& advantages) {
  const Maps maps(actions, log_probability, valid);
  const int64_t n = maps.count;
  float* const out = advantages.data<float>();
  ParallelFor(maps.positions, 1 << 8, [&](int64_t begin, int64_t end) {
    std::vector<double> shown(n), probability(n), by_probability(n), within(n);
    // By class.
    double count[256] = {}, agree[256] = {}, cross[256] = {}, square[256] = {}, credit[256] = {};
    for (int64_t p = begin; p < end; ++p) {
      const int64_t image = p / maps.pixels;
      const double step = delta.data<double>()[image];
      if (step == 0 || !maps.Load(p, shown, probability)) {
        for (int64_t i = 0; i < n; ++i) out[i * maps.positions + p] = 0.0f;
        continue;
      }
      const double* const k = inverse.data<double>() + image * n * n;
      const double* const w = weighted.data<double>() + image * n;
      // With π for (π(a_i))_i and 1_a for (1[a_i = a])_i: K⁻¹π, and the part of K⁻¹1_a at the maps that show a.
      std::fill(by_probability.begin(), by_probability.end(), 0.0);
      std::fill(within.begin(), within.end(), 0.0);
      for (int64_t j = 0; j < n; ++j) {
        const double* const row = k + j * n;
        const double a = shown[j], factor = probability[j];
        for (int64_t i = 0; i < n; ++i) {
          by_probability[i] += factor * row[i];
          within[i] += shown[i] == a ? row[i] : 0.0;
        }
      }
      double expected = 0, own_square = 0;
      for (int64_t i = 0; i < n; ++i) {
        const auto a = static_cast<size_t>(shown[i]);
        expected += probability[i] * w[i];
        own_square += probability[i] * by_probability[i];
        count[a] += 1;
        agree[a] += w[i];
        cross[a] += by_probability[i];
        square[a] += within[i];
      }
      double remainder = 1, normalizer = 0;
      for (int64_t i = 0; i < n; ++i) {
        const auto a = static_cast<size_t>(shown[i]);
        if (credit[a] != 0) continue;
        const double form = square[a] - 2 * cross[a] + own_square;
        credit[a] = posterior::Factor(step * (agree[a] - expected) - 0.5 * step * step * form);
        remainder -= probability[i];
        normalizer += probability[i] * credit[a];
      }
      if (remainder > 0) normalizer += remainder * posterior::Factor(-step * expected - 0.5 * step * step * own_square);
      for (int64_t i = 0; i < n; ++i) {
        const auto a = static_cast<size_t>(shown[i]);
        out[i * maps.positions + p] =
            static_cast<float>(static_cast<double>(n) / count[a] * probability[i] * (credit[a] / normalizer - 1));
      }
      for (int64_t i = 0; i < n; ++i) {
        const auto a = static_cast<size_t>(shown[i]);
        count[a] = agree[a] = cross[a] = square[a] = credit[a] = 0;
      }
    }
  });
}

}  // namespace rl::cpu
