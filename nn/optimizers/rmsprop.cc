#include "nn/optimizers/rmsprop.h"

#include "nn/optimizers/update_kernels.h"

namespace nn {

RmsProp::RmsProp(std::vector<OptimizedParameter> parameters, const RmsPropOptions& options)
    : Optimizer(std::move(parameters)), options_(options), mean_square_(ZeroState()) {
  autograd::Require(options.decay >= 0 && options.decay < 1, "RmsProp", "decay is ", options.decay);
  autograd::Require(options.epsilon > 0, "RmsProp", "epsilon is ", options.epsilon);
}

void RmsProp::Update(const Array& sound) {
  std::vector<autograd::RmsPropTensor> tensors;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& optimized = parameters_[i];
    if (!Moves(optimized)) continue;
    Parameter& parameter = *optimized.parameter;
    const auto [value, bfloat16_copy] = parameter.Rewrite();
    tensors.push_back({value.data<float>(), parameter.gradient().data<float>(), mean_square_[i].data<float>(),
                       bfloat16_copy, parameter.size(), optimized.rate_factor,
                       static_cast<float>(optimized.weight_decay)});
  }
  autograd::kernels::RmsPropStep(autograd::Stream::Current(), tensors,
                                 {static_cast<float>(options_.decay), static_cast<float>(1 - options_.decay),
                                  static_cast<float>(options_.epsilon)},
                                 rate_, sound);
}

void RmsProp::Fields(FieldVisitor& visitor) {
  for (size_t i = 0; i < mean_square_.size(); ++i) {
    visitor.Field("mean_square." + parameters_[i].name, mean_square_[i]);
  }
}

}  // namespace nn
