#include "nn/optimizers/sgd.h"

#include "nn/optimizers/update_kernels.h"

namespace nn {

Sgd::Sgd(std::vector<OptimizedParameter> parameters, const SgdOptions& options)
    : Optimizer(std::move(parameters)), options_(options) {
  autograd::Require(options.momentum > 0 || !options.nesterov, "Sgd", "nesterov needs a momentum");
  if (options.momentum > 0) momentum_ = ZeroState();
}

void Sgd::Update(const Array& sound) {
  std::vector<autograd::SgdTensor> tensors;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& optimized = parameters_[i];
    if (!Moves(optimized)) continue;
    Parameter& parameter = *optimized.parameter;
    const auto [value, bfloat16_copy] = parameter.Rewrite();
    tensors.push_back({value.data<float>(), parameter.gradient().data<float>(),
                       momentum_.empty() ? nullptr : momentum_[i].data<float>(), bfloat16_copy, parameter.size(),
                       optimized.rate_factor, static_cast<float>(optimized.weight_decay)});
  }
  autograd::kernels::SgdStep(autograd::Stream::Current(), tensors,
                             {static_cast<float>(options_.momentum), options_.nesterov}, rate_, sound);
}

void Sgd::Fields(FieldVisitor& visitor) {
  for (size_t i = 0; i < momentum_.size(); ++i) visitor.Field("momentum." + parameters_[i].name, momentum_[i]);
}

}  // namespace nn
