#pragma once

// How one action is drawn, with the same bits on every machine: exp and log of the machine's libraries differ in their
// last bits, so the logit of a uniform number is compared with that of the probability, and its logarithms are those of
// standard_normal_functions.h.

#include <cstdint>

#include "autograd/ops/standard_normal_functions.h"
#include "autograd/runtime/host_device.h"

namespace seg {

// log u − log(1 − u), u = (word + ½)/2³² (rounded to float32): as 1 − u is that of the word's complement, the numbers
// of a word and of its complement differ in sign only.
HOST_DEVICE inline float LogitOfUniform(uint32_t word) {
  const auto uniform = [](uint32_t bits) {
    return autograd::normal::Fma(static_cast<float>(bits), 0x1p-32f, 0x1p-33f);
  };
  return autograd::normal::Log(uniform(word)) - autograd::normal::Log(uniform(~word));
}

// 1 with probability softmax(logits)[1].
HOST_DEVICE inline uint8_t DrawnAction(const float* logits, uint32_t word) {
  return logits[1] - logits[0] > LogitOfUniform(word) ? 1 : 0;
}

}  // namespace seg
