#include "nn/schedules/schedule.h"

#include <algorithm>
#include <cmath>

#include "autograd/runtime/error.h"

namespace nn {
namespace {

double Decayed(const Schedule& schedule, int64_t step, int64_t steps) {
  if (schedule.decay == Schedule::Decay::kConstant) return schedule.rate;
  autograd::Require(steps > 0, "Schedule", "decays over ", steps, " steps");
  const double done = static_cast<double>(std::clamp<int64_t>(step, 0, steps)) / static_cast<double>(steps);
  const double factor = schedule.decay == Schedule::Decay::kPolynomial ? std::pow(1 - done, schedule.power)
                                                                       : 0.5 * (1 + std::cos(M_PI * done));
  return schedule.minimum + (schedule.rate - schedule.minimum) * factor;
}

}  // namespace

double Schedule::operator()(int64_t step) const {
  const double risen = warm_up_steps > 0 ? static_cast<double>(step) / static_cast<double>(warm_up_steps) : 1;
  if (warm_up == WarmUp::kScaled) {
    const double decayed = Decayed(*this, step, steps);
    return step < warm_up_steps ? decayed * (1 - (1 - risen) * (1 - warm_up_factor)) : decayed;
  }
  if (step < warm_up_steps) return rate * (warm_up_factor + (1 - warm_up_factor) * risen);
  const int64_t rest = steps - warm_up_steps;
  return Decayed(*this, std::max<int64_t>(std::min(step, rest) - warm_up_steps, 0), rest);
}

Schedule ConstantSchedule(double rate) {
  Schedule schedule;
  schedule.decay = Schedule::Decay::kConstant;
  schedule.rate = rate;
  return schedule;
}

Schedule PolynomialSchedule(double rate, int64_t steps, double power, double minimum) {
  Schedule schedule;
  schedule.rate = rate;
  schedule.steps = steps;
  schedule.power = power;
  schedule.minimum = minimum;
  return schedule;
}

Schedule CosineSchedule(double rate, int64_t steps, double minimum) {
  Schedule schedule;
  schedule.decay = Schedule::Decay::kCosine;
  schedule.rate = rate;
  schedule.steps = steps;
  schedule.minimum = minimum;
  return schedule;
}

}  // namespace nn
