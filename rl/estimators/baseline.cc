#include "rl/estimators/baseline.h"

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "rl/estimators/moments.h"

namespace rl {

using autograd::Array;
using autograd::Require;
using autograd::Variable;

Array MeanReward(const Array& rewards, autograd::Collective* collective) {
  const autograd::PauseTape pause;
  autograd::OperationScope scope("MeanReward");
  const Array moments = MomentsOf(rewards, {}, Entries::kAll, collective);
  // 0/1 of no rewards.
  const Variable count = Maximum(Variable(moments.Slice(0, 1)), Variable(Array::Full({1}, autograd::kFloat64, 1)));
  return Divide(Variable(moments.Slice(1, 2)), count).array();
}

Array LeaveOneOutBaseline(const Array& rewards) {
  const autograd::PauseTape pause;
  autograd::Dims dims("LeaveOneOutBaseline");
  dims.Match(rewards, "rewards: n b").Is(rewards, autograd::kFloat32, "rewards");
  Require(dims["n"] >= 2, dims.operation(), "needs two draws an image or more, not rewards ", rewards.shape());
  const Variable others = Subtract(Sum(rewards, {0}, true), Variable(rewards));
  return Scale(others, 1.0 / static_cast<double>(dims["n"] - 1)).array();
}

MovingAverageBaseline::MovingAverageBaseline(double decay)
    : decay_(decay), value_(Array::Zeros({1}, autograd::kFloat64)) {
  Require(decay >= 0 && decay < 1, "MovingAverageBaseline", "decay is ", decay);
}

void MovingAverageBaseline::Update(const Array& rewards, autograd::Collective* collective, const Array& sound) {
  const autograd::PauseTape pause;
  const Variable mean(MeanReward(rewards, collective));
  Variable step = Scale(Subtract(mean, Variable(value_)), 1 - decay_);
  if (sound.defined()) step = Multiply(step, Variable(sound));
  value_.CopyFrom(Add(Variable(value_), step).array());
}

Array AdvantagesOver(const Array& rewards, const Array& baseline, double low, double high) {
  const autograd::PauseTape pause;
  autograd::Dims dims("AdvantagesOver");
  dims.Match(rewards, "rewards: n b").Is(rewards, autograd::kFloat32, "rewards");
  Require(low <= high, dims.operation(), "bounds are ", low, " and ", high);
  Variable advantages(rewards);
  if (baseline.defined()) {
    const bool single = baseline.dtype() == autograd::kFloat64 && baseline.size() == 1;
    Require(single || (baseline.dtype() == autograd::kFloat32 && baseline.shape() == rewards.shape()), dims.operation(),
            "baseline ", baseline.dtype(), " ", baseline.shape(), " for rewards ", rewards.shape());
    advantages = Subtract(advantages, Cast(Variable(baseline), autograd::kFloat32));
  }
  return Clamp(advantages, low, high).array();
}

}  // namespace rl
