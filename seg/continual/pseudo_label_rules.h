#pragma once

// What one pixel becomes, for the kernels of both backends.

#include <cstdint>

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/math.h"
#include "seg/continual/entropy_bins.h"
#include "seg/metrics/class_counts.h"

namespace seg {

// What a class adds to the entropy of a pixel before the scale, −q·log q or −q·log(q + 10^−8), with q = exp(shifted) /
// sum and `shifted` the logit relative to the largest.
template <typename Value>
HOST_DEVICE Value EntropyTerm(EntropyReading reading, Value shifted, Value exponential, Value sum, Value log_sum) {
  const Value q = exponential / sum;
  if (reading == EntropyReading::kReleasedCode) return -q * autograd::math::Log(q + Value(1e-8));
  return q > Value(0) ? q * (log_sum - shifted) : Value(0);
}

struct PixelOutcome {
  uint8_t label;
  bool background, certain;  // `certain` only where background
};
HOST_DEVICE inline PixelOutcome OutcomeOf(uint8_t label, float entropy, uint8_t prediction, const float* thresholds,
                                          int64_t old_classes) {
  if (label >= old_classes) return {label, false, false};
  const bool certain = prediction < old_classes && entropy < thresholds[prediction];
  return {certain ? prediction : kVoid, true, certain};
}

// ν
HOST_DEVICE inline float AdaptiveFactor(int64_t certain, int64_t background) {
  return static_cast<float>(static_cast<double>(certain) / (static_cast<double>(background) + 1e-6));
}

}  // namespace seg
