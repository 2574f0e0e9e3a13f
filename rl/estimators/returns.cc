#include "rl/estimators/returns.h"

#include "autograd/core/dims.h"
#include "rl/estimators/returns_kernels.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Shape;

void RequireShare(const autograd::Dims& dims, const char* name, double value) {
  Require(value >= 0 && value <= 1, dims.operation(), name, " is ", value, ", not in [0, 1]");
}

void CheckSteps(autograd::Dims& dims, const Array& rewards, const Array& terminal) {
  dims.Is(rewards, autograd::kFloat32, "rewards");
  Require(rewards.rank() >= 1, dims.operation(), "rewards are [T, ..], not ", rewards.shape());
  if (!terminal.defined()) return;
  dims.Is(terminal, autograd::kUInt8, "terminal");
  Require(terminal.shape() == rewards.shape(), dims.operation(), "terminal ", terminal.shape(), " for rewards ",
          rewards.shape());
}

}  // namespace

Array NStepReturns(const Array& rewards, const Array& bootstrap, double discount, const Array& terminal) {
  autograd::Dims dims("NStepReturns");
  CheckSteps(dims, rewards, terminal);
  RequireShare(dims, "discount", discount);
  if (bootstrap.defined()) {
    dims.Is(bootstrap, autograd::kFloat32, "bootstrap");
    Require(bootstrap.shape() == Shape(rewards.shape().begin() + 1, rewards.rank() - 1), dims.operation(), "bootstrap ",
            bootstrap.shape(), " for rewards ", rewards.shape());
  }
  Array returns = autograd::EmptyLike(rewards);
  kernels::NStepReturns(autograd::Stream::Current(), rewards, bootstrap, discount, terminal, returns);
  return returns;
}

Array GeneralizedAdvantages(const Array& rewards, const Array& values, double discount, double lambda,
                            const Array& terminal) {
  autograd::Dims dims("GeneralizedAdvantages");
  CheckSteps(dims, rewards, terminal);
  RequireShare(dims, "discount", discount);
  RequireShare(dims, "lambda", lambda);
  dims.Is(values, autograd::kFloat32, "values");
  Shape expected = rewards.shape();
  expected.Set(0, expected[0] + 1);
  Require(values.shape() == expected, dims.operation(), "values ", values.shape(), " for rewards ", rewards.shape());
  Array advantages = autograd::EmptyLike(rewards);
  kernels::GeneralizedAdvantages(autograd::Stream::Current(), rewards, values, discount, lambda, terminal, advantages);
  return advantages;
}

}  // namespace rl
