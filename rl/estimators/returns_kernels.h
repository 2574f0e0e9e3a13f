#pragma once

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/runtime/host_device.h"
#include "autograd/runtime/kernel.h"

namespace rl {

// returns float32 [t, ..] from rewards float32 [t, ..], bootstrap float32 [..] and terminal uint8 [t, ..], which may be
// undefined.
KERNEL(NStepReturns, void(autograd::Stream&, const autograd::Array& rewards, const autograd::Array& bootstrap,
                          double discount, const autograd::Array& terminal, autograd::Array& returns));

// advantages float32 [t, ..] from rewards float32 [t, ..], values float32 [t + 1, ..] and terminal uint8 [t, ..], which
// may be undefined.
KERNEL(GeneralizedAdvantages,
       void(autograd::Stream&, const autograd::Array& rewards, const autograd::Array& values, double discount,
            double lambda, const autograd::Array& terminal, autograd::Array& advantages));

// The time axis of one position, for both backends. Null pointers stand for undefined Arrays.
struct TimeAxis {
  int64_t steps, positions;
  const float* rewards;
  const uint8_t* terminal;

  TimeAxis(const autograd::Array& reward, const autograd::Array& terminals)
      : steps(reward.shape()[0]),
        positions(steps > 0 ? reward.size() / steps : 0),
        rewards(reward.data<float>()),
        terminal(terminals.defined() ? terminals.data<uint8_t>() : nullptr) {}

  HOST_DEVICE double Continues(int64_t index) const { return terminal != nullptr && terminal[index] != 0 ? 0 : 1; }

  HOST_DEVICE void Returns(const float* bootstrap, double discount, int64_t position, float* returns) const {
    double next = bootstrap != nullptr ? static_cast<double>(bootstrap[position]) : 0;
    for (int64_t i = (steps - 1) * positions + position; i >= 0; i -= positions) {
      next = static_cast<double>(rewards[i]) + discount * Continues(i) * next;
      returns[i] = static_cast<float>(next);
    }
  }

  HOST_DEVICE void Advantages(const float* values, double discount, double lambda, int64_t position,
                              float* advantages) const {
    double next = 0;
    for (int64_t i = (steps - 1) * positions + position; i >= 0; i -= positions) {
      const double onwards = discount * Continues(i), after = static_cast<double>(values[i + positions]);
      next =
          static_cast<double>(rewards[i]) + onwards * after - static_cast<double>(values[i]) + onwards * lambda * next;
      advantages[i] = static_cast<float>(next);
    }
  }
};

}  // namespace rl
