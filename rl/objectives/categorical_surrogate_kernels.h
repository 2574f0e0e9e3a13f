#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/math.h"

namespace rl {

struct CategoricalSurrogateTerms {
  double low = 0.8, high = 1.2;  // bounds of the ratio
  double largest_log_ratio = 20;
  double entropy_weight = 0;     // of the mean entropy, which is subtracted
  double divergence_weight = 0;  // of the mean KL(π ‖ reference)
};

// loss [] (float32, or float64 for float64 logits), dlogits (undefined: not wanted) and statistics (undefined, or
// float64 [4]), as categorical_surrogate.h describes them. logits [b, .., k]; actions uint8 [n, b, ..]; advantages
// float32 [n, b, ..] or [n, b]; count and valid_positions float64 [1]; what follows the advantages may be undefined. An
// action >= k is an Error on the CPU and makes the loss NaN elsewhere.
KERNEL(CategoricalSurrogate,
       void(autograd::Stream&, const autograd::Array& logits, const autograd::Array& actions,
            const autograd::Array& advantages, const autograd::Array& count, const autograd::Array& old_log_probability,
            const autograd::Array& reference_logits, const autograd::Array& valid,
            const autograd::Array& valid_positions, const CategoricalSurrogateTerms& terms, autograd::Array& loss,
            autograd::Array& dlogits, autograd::Array& statistics));

// dx = dy·x for a scalar dy.
KERNEL(ScaleByScalar,
       void(autograd::Stream&, const autograd::Array& x, const autograd::Array& dy, autograd::Array& dx));

// One sample at one position, for both backends.
namespace surrogates {

template <typename Value>
struct Term {
  Value value = 0;   // min(ρ·A, clip(ρ)·A), or A·log π
  Value weight = 0;  // its derivative by log π
  bool clipped = false;
};

template <typename Value>
HOST_DEVICE inline Term<Value> PolicyGradient(Value advantage, Value log_probability) {
  // An impossible action has log π = −∞, but 0·∞ is not meant.
  return {advantage != Value(0) ? advantage * log_probability : Value(0), advantage, false};
}

template <typename Value>
struct Clip {
  Value low, high, largest_log_ratio;

  HOST_DEVICE explicit Clip(const CategoricalSurrogateTerms& terms)
      : low(static_cast<Value>(terms.low)),
        high(static_cast<Value>(terms.high)),
        largest_log_ratio(static_cast<Value>(terms.largest_log_ratio)) {}
};

template <typename Value>
HOST_DEVICE inline Term<Value> ClippedRatio(Value advantage, Value log_probability, Value old_log_probability,
                                            const Clip<Value>& clip) {
  const Value bound = clip.largest_log_ratio, log_ratio = log_probability - old_log_probability;
  const Value ratio = autograd::math::Exp(log_ratio < -bound ? -bound : (log_ratio > bound ? bound : log_ratio));
  const Value clipped = ratio < clip.low ? clip.low : (ratio > clip.high ? clip.high : ratio);
  const Value plain = ratio * advantage, bounded = clipped * advantage;
  const bool flows = plain <= bounded && log_ratio >= -bound && log_ratio <= bound;
  return {advantage != Value(0) ? (bounded < plain ? bounded : plain) : Value(0), flows ? plain : Value(0),
          plain > bounded};
}

}  // namespace surrogates
}  // namespace rl
