#include "experiments/ciss/rollout_numbers.h"

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "data/datasets/dataset.h"

namespace experiments::ciss {
namespace {

struct Moments {
  double count = 0, sum = 0, squares = 0;
  void Add(double x) {
    count += 1;
    sum += x;
    squares += x * x;
  }
  double Mean() const { return count > 0 ? sum / count : 0; }
  double Variance() const { return count > 0 ? squares / count - Mean() * Mean() : 0; }
};

}  // namespace

NamedValues RolloutNumbers::Report() const {
  const std::vector<uint8_t> truth = labels.ToVector<uint8_t>();
  Moments reward, entropy, residual, target;
  double pixels = 0, adopted = 0, right = 0;
  for (size_t t = 0; t < contexts.size(); ++t) {
    const std::vector<uint8_t> context = contexts[t].ToVector<uint8_t>();
    const std::vector<float> earned = rewards[t].ToVector<float>();
    for (size_t i = 0; i < truth.size(); ++i) {
      if (truth[i] == data::kVoidLabel) continue;
      pixels += 1;
      adopted += context[i] != 0;
      right += context[i] == truth[i] + 1;
      reward.Add(earned[i]);
    }
  }
  NamedValues numbers;
  if (contexts.empty()) return numbers;
  numbers = {{"reward", reward.Mean()},
             {"adopted", pixels > 0 ? adopted / pixels : 0},
             {"precision", adopted > 0 ? right / adopted : 0}};
  if (!agent) return numbers;
  if (!values.defined()) {
    numbers.push_back({"entropy", std::nan("")});
    numbers.push_back({"explained", std::nan("")});
    return numbers;
  }
  const std::vector<float> entropy_of = entropies.ToVector<float>(), value = values.ToVector<float>(),
                           return_of = returns.ToVector<float>();
  for (size_t i = 0; i < value.size(); ++i) {
    if (truth[i % truth.size()] == data::kVoidLabel) continue;
    entropy.Add(entropy_of[i]);
    residual.Add(return_of[i] - value[i]);
    target.Add(return_of[i]);
  }
  numbers.push_back({"entropy", entropy.Mean()});
  numbers.push_back({"explained", target.Variance() > 0 ? 1 - residual.Variance() / target.Variance() : 0});
  return numbers;
}

}  // namespace experiments::ciss
