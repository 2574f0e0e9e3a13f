#pragma once

// Learning rates as pure functions of the step, so that a resumed run needs no state. Steps count from 0; after the
// last one the rate stays at its final value.

#include <cstdint>

namespace nn {

struct Schedule {
  enum class Decay : uint8_t {
    kConstant,
    kPolynomial,  // (rate − minimum)·(1 − t/T)^power + minimum
    kCosine,      // minimum + (rate − minimum)·(1 + cos(π·t/T))/2
  };
  enum class WarmUp : uint8_t {
    // step < W: the decay's own value times 1 − (1 − step/W)·(1 − factor); t = step throughout (mmseg, SegFormer).
    kScaled,
    // step < W: factor·rate rising linearly to rate; afterwards t = min(step, T − W) − W and the decay runs over T − W,
    // so its last W steps keep one rate (iSeg's WarmUpPolyDecay).
    kShifted,
  };

  Decay decay = Decay::kPolynomial;
  double rate = 0.01;
  double minimum = 0;
  double power = 0.9;
  int64_t steps = 0;  // T

  WarmUp warm_up = WarmUp::kScaled;
  int64_t warm_up_steps = 0;  // W
  double warm_up_factor = 1e-6;

  double operator()(int64_t step) const;
};

Schedule ConstantSchedule(double rate);
Schedule PolynomialSchedule(double rate, int64_t steps, double power = 0.9, double minimum = 0);
Schedule CosineSchedule(double rate, int64_t steps, double minimum = 0);

}  // namespace nn
