#pragma once

// The mask of dropout.h, for both backends.

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/random.h"

namespace autograd {

// What a unit is multiplied with: `kept` or 0. `word` is the unit's own of Philox's words.
template <typename Value>
HOST_DEVICE inline Value UnitFactor(uint32_t word, float rate, Value kept) {
  return UniformFloat(word) >= rate ? kept : Value(0);
}

// A dropped element is zero whatever it was, infinite or NaN.
template <typename Value>
HOST_DEVICE inline Value Dropped(Value x, Value factor) {
  return factor == Value(0) ? Value(0) : x * factor;
}

}  // namespace autograd
