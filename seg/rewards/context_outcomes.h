#pragma once

// What a step made of the pixels of a window, counted, and the reward that it is worth: for the kernels of both
// backends.

#include <cmath>
#include <cstdint>

#include "autograd/runtime/host_device.h"
#include "seg/metrics/class_counts.h"
#include "seg/rewards/context_reward.h"

namespace seg {

// Twice whether the label was right before, and whether it is after: 0 wrong → wrong, 1 wrong → right, 2 right → wrong,
// 3 right → right; −1 where the truth is void.
HOST_DEVICE inline int Outcome(uint8_t before, uint8_t after, uint8_t truth) {
  return truth == kVoid ? -1 : 2 * (before == truth ? 1 : 0) + (after == truth ? 1 : 0);
}

struct alignas(16) OutcomeCounts {
  int32_t of[4] = {};

  HOST_DEVICE void Count(int outcome, int32_t change) {
    for (int k = 0; k < 4; ++k) of[k] += outcome == k ? change : 0;
  }
  HOST_DEVICE void Add(const OutcomeCounts& other) {
    for (int k = 0; k < 4; ++k) of[k] += other.of[k];
  }
  HOST_DEVICE void Remove(const OutcomeCounts& other) {
    for (int k = 0; k < 4; ++k) of[k] -= other.of[k];
  }
};

// Products are added by explicit fma, so that no compiler's choice to contract them changes a bit.
HOST_DEVICE inline float RewardOf(const OutcomeCounts& window, uint8_t context, uint8_t truth,
                                  const ContextRewardOptions& options) {
  const double pixels =
      static_cast<double>(static_cast<int64_t>(window.of[0]) + window.of[1] + window.of[2] + window.of[3]);
  double reward = 0;
  if (pixels > 0) {
    double sum = options.kept_right * static_cast<double>(window.of[3]);
    sum = ::fma(options.lost, static_cast<double>(window.of[2]), sum);
    sum = ::fma(options.gained, static_cast<double>(window.of[1]), sum);
    sum = ::fma(options.kept_wrong, static_cast<double>(window.of[0]), sum);
    reward = sum / pixels;
  }
  // A void truth is 255, and no byte is 256.
  if (context == truth + 1) reward += options.right_context;
  if (context == 0) reward += options.uncertain;
  return static_cast<float>(reward);
}

}  // namespace seg
