#include "nn/optimizers/optimizer.h"

#include "autograd/core/array_kernels.h"
#include "nn/optimizers/update_kernels.h"

namespace nn {
namespace {

bool HasPrefix(const std::string& name, const std::string& prefix) {
  if (prefix.empty() || name == prefix) return true;
  return name.size() > prefix.size() && name.compare(0, prefix.size(), prefix) == 0 && name[prefix.size()] == '.';
}

std::vector<autograd::GradientTensor> Gradients(const std::vector<OptimizedParameter>& parameters) {
  std::vector<autograd::GradientTensor> tensors;
  for (const OptimizedParameter& optimized : parameters) {
    Parameter& parameter = *optimized.parameter;
    if (!parameter.trainable() || !parameter.has_gradient()) continue;
    tensors.push_back({parameter.gradient().data<float>(), parameter.size()});
  }
  return tensors;
}

}  // namespace

std::vector<OptimizedParameter> GroupParameters(const ModuleReference& module, const GroupOptions& options) {
  std::vector<OptimizedParameter> grouped;
  std::vector<bool> used(options.rate_factors.size());
  for (const NamedParameter& named : NamedParameters(module)) {
    OptimizedParameter optimized{named.name, named.parameter};
    if (options.decay_all || named.layout != Layout::kPlain) optimized.weight_decay = options.weight_decay;
    for (size_t i = 0; i < options.rate_factors.size(); ++i) {
      if (!HasPrefix(named.name, options.rate_factors[i].prefix)) continue;
      optimized.rate_factor *= options.rate_factors[i].factor;
      used[i] = true;
    }
    grouped.push_back(std::move(optimized));
  }
  for (size_t i = 0; i < used.size(); ++i) {
    autograd::Require(used[i], "GroupParameters", "no parameter is under ", options.rate_factors[i].prefix);
  }
  return grouped;
}

Optimizer::Optimizer(std::vector<OptimizedParameter> parameters)
    : parameters_(std::move(parameters)), rate_(Array::Zeros({1}, autograd::kFloat64)) {
  rate_.MarkPersistent();
  for (const OptimizedParameter& optimized : parameters_) {
    autograd::Require(optimized.parameter->value().dtype() == autograd::kFloat32, "Optimizer", optimized.name, " is ",
                      optimized.parameter->value().dtype(), " but optimizers work on float32");
  }
}

void Optimizer::ClearGradients() {
  std::vector<autograd::GradientTensor> tensors;
  for (const OptimizedParameter& optimized : parameters_) {
    Parameter& parameter = *optimized.parameter;
    if (!parameter.has_gradient()) continue;
    if (parameter.value().device().type == autograd::DeviceType::kCpu) {
      parameter.ClearGradient();
    } else {
      tensors.push_back({parameter.gradient().data<float>(), parameter.size()});
    }
  }
  if (!tensors.empty()) autograd::kernels::ClearGradients(autograd::Stream::Current(), tensors);
}

std::vector<Array> Optimizer::ZeroState() const {
  std::vector<Array> state;
  state.reserve(parameters_.size());
  for (const OptimizedParameter& optimized : parameters_) {
    state.push_back(ZerosLike(optimized.parameter->value()));
    state.back().MarkPersistent();
  }
  return state;
}

void Optimizer::SetLearningRate(double learning_rate) {
  autograd::kernels::Fill(autograd::Stream::Current(), rate_, learning_rate);
}

Array GradientNorm(const std::vector<OptimizedParameter>& parameters) {
  Array norm = Array::Empty({1}, autograd::kFloat64);
  autograd::kernels::NormOfGradients(autograd::Stream::Current(), Gradients(parameters), norm);
  return norm;
}

Array ClipGradientNorm(const std::vector<OptimizedParameter>& parameters, double maximum) {
  Array norm = GradientNorm(parameters);
  autograd::kernels::ClipGradients(autograd::Stream::Current(), Gradients(parameters), norm, maximum);
  return norm;
}

Array AllFinite(const std::vector<Array>& scalars) {
  Array sound = Array::Full({1}, autograd::kFloat64, 1);
  for (const Array& scalar : scalars) {
    autograd::Require(scalar.size() == 1, "AllFinite", "takes scalars, not ", scalar.shape());
    autograd::kernels::RequireFinite(autograd::Stream::Current(), scalar, sound);
  }
  return sound;
}

}  // namespace nn
