#include "nn/initializers/initializers.h"

#include <cmath>
#include <cstdint>
#include <vector>

namespace nn {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Shape;

Array DrawUniform(const Shape& shape, RandomKey key, double low, double high) {
  std::vector<float> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const autograd::PhiloxWords words = autograd::Philox(key, i);
    values[i] = static_cast<float>(low + (high - low) * autograd::UniformDouble(words.x, words.y));
  }
  return Array::From(shape, values);
}

Array DrawNormal(const Shape& shape, RandomKey key, double mean, double deviation, double low, double high) {
  // Element i takes one half of pair i/2; a rejected draw takes the same half of a pair far away in the counter's range.
  constexpr uint64_t kNextAttempt = uint64_t{1} << 40;
  std::vector<float> values(shape.size());
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t counter = i / 2;
    double value;
    do {
      float pair[2];
      autograd::StandardNormalPair(key, counter, &pair[0], &pair[1]);
      value = mean + deviation * pair[i % 2];
      counter += kNextAttempt;
    } while (!(value >= low && value <= high));
    values[i] = static_cast<float>(value);
  }
  return Array::From(shape, values);
}

}  // namespace

Initializer Constant(double value) {
  return [value](const Shape& shape, const Fans&, RandomKey) { return Array::Full(shape, autograd::kFloat32, value); };
}

Initializer Normal(double deviation, double mean) {
  return [=](const Shape& shape, const Fans&, RandomKey key) {
    return DrawNormal(shape, key, mean, deviation, -INFINITY, INFINITY);
  };
}

Initializer TruncatedNormal(double deviation, double low, double high) {
  // Outside six deviations a redraw would practically never end.
  autograd::Require(deviation >= 0 && low < high && low <= 6 * deviation && high >= -6 * deviation, "TruncatedNormal",
                    "nothing to draw in [", low, ", ", high, "] with deviation ", deviation);
  return
      [=](const Shape& shape, const Fans&, RandomKey key) { return DrawNormal(shape, key, 0, deviation, low, high); };
}

Initializer Uniform(double low, double high) {
  return [=](const Shape& shape, const Fans&, RandomKey key) { return DrawUniform(shape, key, low, high); };
}

Initializer GlorotUniform() {
  return [](const Shape& shape, const Fans& fans, RandomKey key) {
    const double limit = std::sqrt(6.0 / (fans.in + fans.out));
    return DrawUniform(shape, key, -limit, limit);
  };
}

Initializer KaimingNormal() {
  return [](const Shape& shape, const Fans& fans, RandomKey key) {
    return DrawNormal(shape, key, 0, std::sqrt(2.0 / fans.out), -INFINITY, INFINITY);
  };
}

Initializer FanInUniform() {
  return [](const Shape& shape, const Fans& fans, RandomKey key) {
    const double limit = 1.0 / std::sqrt(fans.in);
    return DrawUniform(shape, key, -limit, limit);
  };
}

}  // namespace nn
