#include "rl/objectives/categorical_surrogate.h"

#include "autograd/core/dims.h"
#include "rl/objectives/categorical_surrogate_kernels.h"
#include "rl/objectives/clipped_surrogate.h"

namespace rl {
namespace {

using autograd::Array;
using autograd::Require;
using autograd::Shape;
using autograd::Variable;

void CheckInputs(autograd::Dims& dims, const Variable& logits, const CategoricalSurrogateInputs& inputs) {
  const char* const operation = dims.operation();
  dims.Match(logits, "logits: b ... k").Floating(logits.array());
  dims.Is(inputs.actions, autograd::kUInt8, "actions").Is(inputs.advantages, autograd::kFloat32, "advantages");
  const Shape positions(logits.shape().begin(), logits.rank() - 1);
  const Shape& actions = inputs.actions.shape();
  Require(actions.rank() == logits.rank() && Shape(actions.begin() + 1, actions.rank() - 1) == positions, operation,
          "actions ", actions, " for logits ", logits.shape());
  const Shape& advantages = inputs.advantages.shape();
  Require(advantages == actions || advantages == Shape(actions.begin(), 2), operation, "advantages ", advantages,
          " for actions ", actions);
  if (inputs.old_log_probability.defined()) {
    dims.Is(inputs.old_log_probability, autograd::kFloat32, "old_log_probability");
    Require(inputs.old_log_probability.shape() == actions, operation, "old_log_probability ",
            inputs.old_log_probability.shape(), " for actions ", actions);
  }
  if (inputs.reference_logits.defined()) {
    dims.SameType(inputs.reference_logits, logits.array());
    Require(inputs.reference_logits.shape() == logits.shape(), operation, "reference_logits ",
            inputs.reference_logits.shape(), " for logits ", logits.shape());
  }
  if (inputs.valid.defined()) {
    dims.Is(inputs.valid, autograd::kUInt8, "valid");
    Require(inputs.valid.shape() == positions, operation, "valid ", inputs.valid.shape(), " for logits ",
            logits.shape());
  }
}

}  // namespace

Variable CategoricalSurrogate(const Variable& logits, const CategoricalSurrogateInputs& inputs, double count,
                              const CategoricalSurrogateOptions& options, Array* statistics) {
  Require(count >= 0, "CategoricalSurrogate", "count is ", count);
  return CategoricalSurrogate(logits, inputs, Array::Full({1}, autograd::kFloat64, count), options, statistics);
}

Variable CategoricalSurrogate(const Variable& logits, const CategoricalSurrogateInputs& inputs, const Array& count,
                              const CategoricalSurrogateOptions& options, Array* statistics) {
  autograd::Dims dims("CategoricalSurrogate");
  CheckInputs(dims, logits, inputs);
  if (count.defined()) {
    dims.Is(count, autograd::kFloat64, "count");
    Require(count.size() == 1, dims.operation(), "count is ", count.shape());
  }
  if (inputs.positions.defined()) {
    dims.Is(inputs.positions, autograd::kFloat64, "positions");
    Require(inputs.positions.size() == 1, dims.operation(), "positions is ", inputs.positions.shape());
  }
  Require(options.clip >= 0 && options.clip <= 1, dims.operation(), "clip is ", options.clip);
  Require(options.divergence_weight == 0 || inputs.reference_logits.defined(), dims.operation(),
          "divergence_weight is ", options.divergence_weight, " but there are no reference_logits");
  CategoricalSurrogateTerms terms;
  terms.low = 1 - options.clip;
  terms.high = 1 + (options.clip_high < 0 ? options.clip : options.clip_high);
  terms.largest_log_ratio = kLargestLogRatio;
  terms.entropy_weight = options.entropy_weight;
  terms.divergence_weight = options.divergence_weight;

  Array loss = Array::Empty({}, logits.dtype() == autograd::kFloat64 ? autograd::kFloat64 : autograd::kFloat32);
  Array dlogits = autograd::WillRecord({logits}) ? autograd::EmptyLike(logits.array()) : Array();
  Array numbers = statistics != nullptr ? Array::Empty({4}, autograd::kFloat64) : Array();
  kernels::CategoricalSurrogate(autograd::Stream::Current(), logits.array(), inputs.actions, inputs.advantages, count,
                                inputs.old_log_probability, inputs.reference_logits, inputs.valid, inputs.positions,
                                terms, loss, dlogits, numbers);
  if (statistics != nullptr) *statistics = numbers;

  // The gradient by a scalar loss is known but for its factor, so it is kept in place of the operands.
  return Record(dims.operation(), loss, {logits}, autograd::Saved{dlogits},
                [](const autograd::Saved& saved, const Array& dy, autograd::Wanted) {
                  Array dx = autograd::EmptyLike(saved[0]);
                  kernels::ScaleByScalar(autograd::Stream::Current(), saved[0], dy, dx);
                  return autograd::Gradients{dx};
                });
}

}  // namespace rl
