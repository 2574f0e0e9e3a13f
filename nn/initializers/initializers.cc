#include "nn/initializers/initializers.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "autograd/runtime/parallel.h"

namespace nn {
namespace {

using autograd::Array;
using autograd::RandomKey;
using autograd::Shape;

// Draws depend on their index only, so they are made in parallel.
constexpr int64_t kGrain = 1 << 14;

Array DrawUniform(const Shape& shape, RandomKey key, double low, double high) {
  std::vector<float> values(shape.size());
  autograd::ParallelFor(shape.size(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const autograd::PhiloxWords words = autograd::Philox(key, i);
      values[i] = static_cast<float>(low + (high - low) * autograd::UniformDouble(words.x, words.y));
    }
  });
  return Array::From(shape, values);
}

Array DrawNormal(const Shape& shape, RandomKey key, double mean, double deviation, double low, double high) {
  // Elements 2i and 2i + 1 take the halves of pair i; a rejected draw takes the same half of a pair far away in the
  // counter's range.
  constexpr uint64_t kNextAttempt = uint64_t{1} << 40;
  std::vector<float> values(shape.size());
  const int64_t size = shape.size();
  autograd::ParallelFor((size + 1) / 2, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float pair[2];
      autograd::StandardNormalPair(key, i, &pair[0], &pair[1]);
      for (int half = 0; half < 2 && 2 * i + half < size; ++half) {
        double value = mean + deviation * pair[half];
        for (uint64_t counter = i + kNextAttempt; !(value >= low && value <= high); counter += kNextAttempt) {
          float again[2];
          autograd::StandardNormalPair(key, counter, &again[0], &again[1]);
          value = mean + deviation * again[half];
        }
        values[2 * i + half] = static_cast<float>(value);
      }
    }
  });
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
