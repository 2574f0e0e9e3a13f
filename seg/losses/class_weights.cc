#include "seg/losses/class_weights.h"

#include <cmath>
#include <vector>

namespace seg {

autograd::Array ClassWeights(std::span<const int64_t> counts, double effective_number) {
  constexpr char kOperation[] = "ClassWeights";
  const double beta = effective_number;
  autograd::Require(beta >= 0 && beta <= 1, kOperation, "the effective number's β is ", beta, ", not in [0, 1]");
  std::vector<double> weights;
  double pixels = 0, weighted = 0;
  for (const int64_t count : counts) {
    autograd::Require(count >= 0, kOperation, "class ", weights.size(), " occurs ", count, " times");
    const double n = static_cast<double>(count);
    // −expm1(n·log β) is 1 − βⁿ without the cancellation where β is close to 1; at 0 the logarithm is −∞ and it is 1.
    const double effective = beta == 1 ? n : -std::expm1(n * std::log(beta)) / (1 - beta);
    weights.push_back(count == 0 ? 0 : 1 / effective);
    pixels += n;
    weighted += n * weights.back();
  }
  autograd::Require(pixels > 0, kOperation, "no pixel of ", counts.size(), " classes");
  std::vector<float> normalised;
  for (const double weight : weights) normalised.push_back(static_cast<float>(weight * pixels / weighted));
  return autograd::Array::From({static_cast<int64_t>(normalised.size())}, normalised);
}

}  // namespace seg
