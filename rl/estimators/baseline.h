#pragma once

// Baselines: what a reward is compared with before it becomes an advantage. A baseline that does not depend on the
// action changes no expected gradient (Williams, 1992), only its variance. Rewards are float32 [n, b], n draws for each
// of b images; all of this is constant and stays on the device.

#include "autograd/collective/collective.h"
#include "autograd/core/array.h"
#include "nn/module.h"

namespace rl {

enum class Baseline {
  kZero,           // b = 0
  kBatchMean,      // b = r̄, the mean of all rewards of the batch (MeanReward)
  kMovingAverage,  // b ← τ·b + (1 − τ)·r̄ (MovingAverageBaseline)
  kLeaveOneOut,    // of the image's other draws (LeaveOneOutBaseline)
  kMode,           // the reward of the image's most probable action (Rennie et al., "Self-critical sequence training",
                   // CVPR 2017), which whoever acts has to score
};

// r̄ over the rewards of this rank (nullptr), or of all ranks: float64 [1], 0 of none. The same bits however the images
// are spread over the ranks (moments.h).
autograd::Array MeanReward(const autograd::Array& rewards, autograd::Collective* collective);

// b_i = 1/(n − 1)·Σ_{j ≠ i} r_j of the same image (Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!",
// 2019): float32 [n, b]. Error unless n >= 2.
autograd::Array LeaveOneOutBaseline(const autograd::Array& rewards);

// b ← τ·b + (1 − τ)·r̄, from b = 0.
class MovingAverageBaseline {
 public:
  // 0 <= decay < 1, on the current stream's device.
  explicit MovingAverageBaseline(double decay);

  // b, float64 [1]. Update writes it in place, so that a recorded step (CapturedStep) follows it.
  const autograd::Array& value() const { return value_; }

  // r̄ as MeanReward has it. `sound` as in nn::Optimizer::Update: float64 [1], where 0 means that b is not to change,
  // or undefined.
  void Update(const autograd::Array& rewards, autograd::Collective* collective, const autograd::Array& sound = {});

  void Fields(nn::FieldVisitor& visitor) { visitor.Field("value", value_); }

 private:
  double decay_;
  autograd::Array value_;
};

// A = clamp(r − b, low, high), float32 [n, b]. baseline: undefined (0), float64 [1], or float32 [n, b]. Infinite bounds
// do not bind.
autograd::Array AdvantagesOver(const autograd::Array& rewards, const autograd::Array& baseline, double low = -1,
                               double high = 1);

}  // namespace rl
