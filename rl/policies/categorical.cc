#include "rl/policies/categorical.h"

#include <utility>
#include <vector>

#include "autograd/core/dims.h"
#include "rl/policies/categorical_kernels.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Dims;
using autograd::DType;
using autograd::EmptyLike;
using autograd::Gradients;
using autograd::Require;
using autograd::Saved;
using autograd::Shape;
using autograd::Stream;
using autograd::Variable;
using autograd::Wanted;

DType ResultType(const Array& logits) {
  return logits.dtype() == autograd::kBFloat16 ? autograd::kFloat32 : logits.dtype();
}

// The extents without the classes, with `count` in front unless it is negative.
Shape PositionShape(const Shape& logits, int64_t count = -1) {
  std::vector<int64_t> extents;
  if (count >= 0) extents.push_back(count);
  extents.insert(extents.end(), logits.begin(), logits.end() - 1);
  return Shape(extents);
}

}  // namespace

Categorical::Categorical(Variable logits) : logits_(std::move(logits)) {
  Dims dims("Categorical");
  dims.Match(logits_, "logits: ... k").Floating(logits_.array());
  Require(classes() >= 1 && classes() <= 255, "Categorical", "logits ", logits_.shape(), " have ", classes(),
          " classes, not 1 to 255");
}

Array Categorical::Sample(const autograd::RandomKey& key, int64_t count, int64_t first_position) const {
  autograd::OperationScope scope("Categorical::Sample");
  Require(count >= 0, "Categorical::Sample", "count is ", count);
  Array actions = Array::Empty(PositionShape(logits_.shape(), count), autograd::kUInt8);
  kernels::CategoricalSample(Stream::Current(), logits_.array(), key, first_position, actions);
  return actions;
}

Array Categorical::Mode() const {
  autograd::OperationScope scope("Categorical::Mode");
  Array actions = Array::Empty(PositionShape(logits_.shape()), autograd::kUInt8);
  kernels::CategoricalMode(Stream::Current(), logits_.array(), actions);
  return actions;
}

Variable Categorical::LogProbability(const Array& actions) const {
  Dims dims("Categorical::LogProbability");
  dims.Is(actions, autograd::kUInt8, "actions");
  const Shape positions = PositionShape(logits_.shape());
  Require(actions.shape() == positions ||
              (actions.rank() >= 1 && actions.shape() == PositionShape(logits_.shape(), actions.shape()[0])),
          dims.operation(), "actions ", actions.shape(), " for logits ", logits_.shape());

  Array y = Array::Empty(actions.shape(), ResultType(logits_.array()));
  kernels::CategoricalLogProbability(Stream::Current(), logits_.array(), actions, y);

  return Record(dims.operation(), y, {logits_}, Saved{logits_.array(), actions},
                [](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CategoricalLogProbabilityGradient(Stream::Current(), saved[0], saved[1], dy, dlogits);
                  return Gradients{dlogits};
                });
}

Variable Categorical::Entropy() const {
  Dims dims("Categorical::Entropy");

  Array y = Array::Empty(PositionShape(logits_.shape()), ResultType(logits_.array()));
  kernels::CategoricalEntropy(Stream::Current(), logits_.array(), y);

  return Record(dims.operation(), y, {logits_}, Saved{logits_.array()},
                [](const Saved& saved, const Array& dy, Wanted) {
                  Array dlogits = EmptyLike(saved[0]);
                  kernels::CategoricalEntropyGradient(Stream::Current(), saved[0], dy, dlogits);
                  return Gradients{dlogits};
                });
}

Variable Categorical::Divergence(const Categorical& other) const {
  Dims dims("Categorical::Divergence");
  dims.Match(logits_, "logits: ... k").Match(other.logits_, "other: ... k").SameType(logits_, other.logits_);

  Array y = Array::Empty(PositionShape(logits_.shape()), ResultType(logits_.array()));
  kernels::CategoricalDivergence(Stream::Current(), logits_.array(), other.logits_.array(), y);

  return Record(dims.operation(), y, {logits_, other.logits_}, Saved{logits_.array(), other.logits_.array()},
                [](const Saved& saved, const Array& dy, Wanted wanted) {
                  Gradients gradients(2);
                  for (int operand = 0; operand < 2; ++operand) {
                    if (!wanted[operand]) continue;
                    gradients[operand] = EmptyLike(saved[operand]);
                    kernels::CategoricalDivergenceGradient(Stream::Current(), saved[0], saved[1], operand, dy,
                                                           gradients[operand]);
                  }
                  return gradients;
                });
}

}  // namespace rl
