#include "rl/estimators/group_relative_advantage.h"

#include <cmath>
#include <vector>

#include "autograd/core/dims.h"
#include "rl/estimators/moments.h"

namespace rl {

using autograd::Array;

Array GroupRelativeAdvantage(const Array& rewards, Deviation deviation) {
  autograd::Dims dims("GroupRelativeAdvantage");
  dims.Match(rewards, "rewards: n b").Is(rewards, autograd::kFloat32, "rewards");
  const int64_t n = dims["n"], b = dims["b"];
  const double divisor = deviation == Deviation::kPopulation ? static_cast<double>(n) : static_cast<double>(n - 1);

  // A handful of numbers, which came from the host a moment ago.
  const std::vector<float> values = rewards.ToVector<float>();
  std::vector<float> advantages(values.size());
  for (int64_t image = 0; image < b; ++image) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) sum += values[i * b + image];
    const double mean = sum / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) squares += (values[i * b + image] - mean) * (values[i * b + image] - mean);
    const double sigma = divisor > 0 ? std::sqrt(squares / divisor) : 0;
    for (int64_t i = 0; i < n; ++i) {
      advantages[i * b + image] = static_cast<float>((values[i * b + image] - mean) / (sigma + kDeviationFloor));
    }
  }
  return Array::From(rewards.shape(), advantages);
}

}  // namespace rl
