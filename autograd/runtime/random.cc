#include "autograd/runtime/random.h"

#include <cmath>

namespace autograd {

void StandardNormalPair(const RandomKey& key, uint64_t counter, float* first, float* second) {
  const PhiloxWords words = Philox(key, counter);
  // 1 - u lies in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - UniformDouble(words.x, words.y)));
  const double angle = 6.283185307179586 * UniformDouble(words.z, words.w);
  *first = static_cast<float>(radius * std::cos(angle));
  *second = static_cast<float>(radius * std::sin(angle));
}

}  // namespace autograd
