#include "nn/layers/evaluation_scope.h"

#include <cmath>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/ops/cast.h"

namespace nn {
namespace {

thread_local EvaluationScope* current = nullptr;

Variable Rounded(const autograd::Shape& shape, const std::vector<double>& values, autograd::DType dtype) {
  return autograd::Cast(Variable(Array::From<double>(shape, values)), dtype);
}

std::vector<double> Values(const Array& array) {
  return autograd::Cast(Variable(array), autograd::kFloat64).array().ToVector<double>();
}

void RequireUnchanged(bool unchanged, const autograd::Shape& shape) {
  autograd::Require(unchanged, "EvaluationScope", "a weight ", shape, " has changed during the evaluation");
}

}  // namespace

EvaluationScope::EvaluationScope() {
  if (current == nullptr) current = this;
}

EvaluationScope::~EvaluationScope() {
  if (current == this) current = nullptr;
}

EvaluationScope* EvaluationScope::Current() { return current; }

EvaluationScope::Convolution& EvaluationScope::Folded(Conv2d& conv, BatchNorm2d& norm, autograd::DType dtype) {
  Convolution& folded = convolutions_[{&norm, dtype}];
  const std::array<uint64_t, 4> versions = {conv.weight.version(), conv.bias.version(), norm.weight.version(),
                                            norm.bias.version()};
  if (folded.filter.defined()) {
    RequireUnchanged(folded.versions == versions, conv.weight.shape());
    return folded;
  }
  std::vector<double> filter = Values(conv.weight.value()), shift = Values(norm.bias.value());
  const std::vector<double> gamma = Values(norm.weight.value()), mean = Values(norm.running_mean),
                            variance = Values(norm.running_variance);
  const std::vector<double> bias =
      conv.bias.defined() ? Values(conv.bias.value()) : std::vector<double>(shift.size(), 0.0);
  const size_t patch = filter.size() / shift.size();
  for (size_t o = 0; o < shift.size(); ++o) {
    const double scale = gamma[o] / std::sqrt(variance[o] + norm.options.epsilon);
    for (size_t i = 0; i < patch; ++i) filter[o * patch + i] *= scale;
    shift[o] += (bias[o] - mean[o]) * scale;
  }
  folded.filter = Rounded(conv.weight.shape(), filter, dtype);
  folded.bias = Rounded(norm.bias.shape(), shift, dtype);
  folded.versions = versions;
  return folded;
}

autograd::WeightLayouts* EvaluationScope::LayoutsOf(const Parameter& parameter, autograd::DType dtype) {
  const auto [found, added] = weights_.try_emplace({parameter.value().raw(), dtype});
  Weight& weight = found->second;
  if (added) {
    weight.value = parameter.value();
    weight.version = parameter.version();
  }
  RequireUnchanged(weight.version == parameter.version(), parameter.shape());
  return &weight.layouts;
}

autograd::WeightLayouts* LayoutsOf(const Variable& x, Parameter& weight) {
  EvaluationScope* const scope = EvaluationScope::Current();
  if (scope == nullptr || autograd::WillRecord({x, Variable(weight)})) return nullptr;
  return scope->LayoutsOf(weight, x.dtype());
}

}  // namespace nn
