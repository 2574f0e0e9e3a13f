#include "rl/policies/diagonal_gaussian.h"

#include <string>
#include <utility>

#include "autograd/core/dims.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/standard_normal.h"
#include "autograd/ops/transpose.h"

namespace rl {

using autograd::Array;
using autograd::Require;
using autograd::Shape;
using autograd::Variable;

namespace {

constexpr double kHalfLogTwoPi = 0.91893853320467274178;  // log(2π)/2

Variable Computed(const Variable& parameter) {
  return parameter.dtype() == autograd::kBFloat16 ? Cast(parameter, autograd::kFloat32) : parameter;
}

}  // namespace

DiagonalGaussian::DiagonalGaussian(Variable mean, Variable log_standard_deviation,
                                   const std::vector<int64_t>& positions) {
  autograd::Dims dims("DiagonalGaussian");
  const char* const pattern = positions.empty() ? "n ... d" : "n d";
  dims.Match(mean, std::string("mean: ") + pattern);
  dims.Match(log_standard_deviation, std::string("log_standard_deviation: ") + pattern);
  dims.Floating(mean.array()).SameType(mean, log_standard_deviation);
  Require(mean.shape() == log_standard_deviation.shape(), dims.operation(), "mean ", mean.shape(),
          " and log_standard_deviation ", log_standard_deviation.shape());

  mean_ = Computed(mean);
  log_standard_deviation_ = Computed(log_standard_deviation);
  action_shape_ = mean_.shape();
  if (positions.empty()) return;
  std::vector<int64_t> action = positions;
  action.insert(action.begin(), dims["n"]);
  action.push_back(dims["d"]);
  for (int64_t extent : positions) Require(extent >= 1, dims.operation(), "positions are ", Shape(positions));
  action_shape_ = Shape(action);
  broadcast_extents_.assign(action.size(), 1);
  broadcast_extents_.front() = action.front();
  broadcast_extents_.back() = action.back();
}

Variable DiagonalGaussian::Broadcastable(const Variable& parameter) const {
  return broadcast_extents_.empty() ? parameter : Reshape(parameter, broadcast_extents_);
}

Variable DiagonalGaussian::Reduced(const Variable& x, Reduction reduction) const {
  const int64_t samples = x.shape()[0];
  const Variable flat = Reshape(x, {samples, samples > 0 ? x.size() / samples : 0});
  if (reduction == Reduction::kMean) return Mean(flat, {1});
  const double repeated = x.size() > 0 ? static_cast<double>(action_shape_.size() / x.size()) : 1;
  const Variable sum = Sum(flat, {1});
  return repeated == 1 ? sum : Scale(sum, repeated);
}

Variable DiagonalGaussian::ReparameterizedSample(const autograd::RandomKey& key, int64_t first_sample) const {
  autograd::OperationScope scope("DiagonalGaussian::Sample");
  const Variable noise(StandardNormal(action_shape_, mean_.dtype(), key, first_sample));
  return Add(Broadcastable(mean_), Multiply(Broadcastable(Exponential(log_standard_deviation_)), noise));
}

Array DiagonalGaussian::Sample(const autograd::RandomKey& key, int64_t first_sample) const {
  const autograd::PauseTape pause;
  return ReparameterizedSample(key, first_sample).array();
}

Variable DiagonalGaussian::Mode() const {
  if (broadcast_extents_.empty()) return mean_;
  return Add(Broadcastable(mean_), Variable(Array::Zeros(action_shape_, mean_.dtype())));
}

Variable DiagonalGaussian::LogProbability(const Array& action, Reduction reduction) const {
  return PathwiseLogProbability(Variable(action), reduction);
}

Variable DiagonalGaussian::PathwiseLogProbability(const Variable& action, Reduction reduction) const {
  autograd::Dims dims("DiagonalGaussian::LogProbability");
  Require(action.defined() && action.shape() == action_shape_, dims.operation(), "action ", action.shape(),
          " for a distribution over ", action_shape_);
  dims.SameType(action, mean_);

  const Variable precision = Broadcastable(Exponential(Negative(log_standard_deviation_)));
  const Variable squares = Square(Multiply(Subtract(action, Broadcastable(mean_)), precision));
  const double dimensions = reduction == Reduction::kMean || action.shape()[0] == 0
                                ? 1
                                : static_cast<double>(action.size() / action.shape()[0]);
  return Subtract(Affine(Reduced(squares, reduction), -0.5, -kHalfLogTwoPi * dimensions),
                  Reduced(log_standard_deviation_, reduction));
}

Variable DiagonalGaussian::Entropy(Reduction reduction) const {
  autograd::OperationScope scope("DiagonalGaussian::Entropy");
  return Reduced(Affine(log_standard_deviation_, 1, kHalfLogTwoPi + 0.5), reduction);
}

Variable DiagonalGaussian::Divergence(const DiagonalGaussian& other, Reduction reduction) const {
  autograd::Dims dims("DiagonalGaussian::Divergence");
  Require(action_shape_ == other.action_shape_ && mean_.shape() == other.mean_.shape(), dims.operation(),
          "distributions over ", action_shape_, " and ", other.action_shape_, " with means ", mean_.shape(), " and ",
          other.mean_.shape());
  dims.SameType(mean_, other.mean_);

  // With r = log(σ/σ'): (exp(2r) + ((μ − μ')/σ')² − 1)/2 − r, which is 0 to the last bit for equal distributions.
  const Variable log_ratio = Subtract(log_standard_deviation_, other.log_standard_deviation_);
  const Variable distance =
      Multiply(Subtract(mean_, other.mean_), Exponential(Negative(other.log_standard_deviation_)));
  const Variable squares = Add(Exponential(Scale(log_ratio, 2)), Square(distance));
  return Reduced(Subtract(Affine(squares, 0.5, -0.5), log_ratio), reduction);
}

}  // namespace rl
