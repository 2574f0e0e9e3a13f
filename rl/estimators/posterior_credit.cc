#include "rl/estimators/posterior_credit.h"

#include "autograd/core/dims.h"
#include "rl/estimators/posterior_credit_kernels.h"

namespace rl {

using autograd::Array;

Array PosteriorCredit(const Array& rewards, const Array& actions, const Array& log_probability, const Array& valid) {
  autograd::Dims dims("PosteriorCredit");
  dims.Match(rewards, "rewards: n b")
      .Is(rewards, autograd::kFloat32, "rewards")
      .Is(actions, autograd::kUInt8, "actions")
      .Is(log_probability, autograd::kFloat32, "log_probability");
  autograd::Require(actions.rank() >= 2 && actions.shape()[0] == dims["n"] && actions.shape()[1] == dims["b"],
                    dims.operation(), "actions ", actions.shape(), " for rewards ", rewards.shape());
  autograd::Require(log_probability.shape() == actions.shape(), dims.operation(), "log_probability ",
                    log_probability.shape(), " for actions ", actions.shape());
  if (valid.defined()) {
    dims.Is(valid, autograd::kUInt8, "valid");
    autograd::Require(valid.shape() == autograd::Shape(actions.shape().begin() + 1, actions.rank() - 1),
                      dims.operation(), "valid ", valid.shape(), " for actions ", actions.shape());
  }

  autograd::Stream& stream = autograd::Stream::Current();
  Array covariance = Array::Empty({dims["b"], dims["n"], dims["n"]}, autograd::kFloat64);
  Array expected = Array::Empty({dims["b"], dims["n"]}, autograd::kFloat64);
  Array delta = Array::Empty({dims["b"]}, autograd::kFloat64);
  kernels::ScoreCovariance(stream, actions, log_probability, valid, covariance, expected);
  kernels::InvertScoreCovariance(stream, rewards, covariance, expected, delta);
  Array advantages = Array::Empty(actions.shape(), autograd::kFloat32);
  kernels::PosteriorCredit(stream, actions, log_probability, valid, covariance, expected, delta, advantages);
  return advantages;
}

}  // namespace rl
