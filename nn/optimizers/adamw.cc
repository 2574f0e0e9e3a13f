#include "nn/optimizers/adamw.h"

#include <cmath>

#include "nn/optimizers/update_kernels.h"

namespace nn {

AdamW::AdamW(std::vector<OptimizedParameter> parameters, const AdamWOptions& options)
    : Optimizer(std::move(parameters)), options_(options), first_moment_(ZeroState()), second_moment_(ZeroState()) {
  autograd::StreamScope host(autograd::Stream::Cpu());
  steps_ = Array::Zeros({1}, autograd::kInt64);
}

void AdamW::Step(double learning_rate) {
  const double step = static_cast<double>(++steps_.data<int64_t>()[0]);
  const double first_correction = 1 - std::pow(options_.beta1, step);
  const double second_correction = 1 - std::pow(options_.beta2, step);
  std::vector<autograd::AdamWTensor> tensors;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& optimized = parameters_[i];
    if (!Moves(optimized)) continue;
    Parameter& parameter = *optimized.parameter;
    const double rate = learning_rate * optimized.rate_factor;
    tensors.push_back({parameter.mutable_value().data<float>(), parameter.gradient().data<float>(),
                       first_moment_[i].data<float>(), second_moment_[i].data<float>(), parameter.size(),
                       static_cast<float>(1 - rate * optimized.weight_decay),
                       static_cast<float>(rate / first_correction)});
    parameter.Changed();
  }
  autograd::kernels::AdamWStep(
      autograd::Stream::Current(), tensors,
      {static_cast<float>(options_.beta1), static_cast<float>(1 - options_.beta1), static_cast<float>(options_.beta2),
       static_cast<float>(1 - options_.beta2), static_cast<float>(1 / std::sqrt(second_correction)),
       static_cast<float>(options_.epsilon)});
}

void AdamW::Fields(FieldVisitor& visitor) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    visitor.Field("first_moment." + parameters_[i].name, first_moment_[i]);
    visitor.Field("second_moment." + parameters_[i].name, second_moment_[i]);
  }
  visitor.Field("steps", steps_);
}

}  // namespace nn
