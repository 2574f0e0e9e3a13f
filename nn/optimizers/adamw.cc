#include "nn/optimizers/adamw.h"

#include "nn/optimizers/update_kernels.h"

namespace nn {

AdamW::AdamW(std::vector<OptimizedParameter> parameters, const AdamWOptions& options)
    : Optimizer(std::move(parameters)),
      options_(options),
      first_moment_(ZeroState()),
      second_moment_(ZeroState()),
      steps_(Array::Zeros({1}, autograd::kInt64)),
      corrections_(Array::Zeros({2}, autograd::kFloat64)) {
  steps_.MarkPersistent();
  corrections_.MarkPersistent();
}

void AdamW::Update(const Array& sound) {
  autograd::Stream& stream = autograd::Stream::Current();
  autograd::kernels::AdamWCorrections(stream, options_.beta1, options_.beta2, sound, steps_, corrections_);
  std::vector<autograd::AdamWTensor> tensors;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& optimized = parameters_[i];
    if (!Moves(optimized)) continue;
    Parameter& parameter = *optimized.parameter;
    const auto [value, bfloat16_copy] = parameter.Rewrite();
    tensors.push_back({value.data<float>(), parameter.gradient().data<float>(), first_moment_[i].data<float>(),
                       second_moment_[i].data<float>(), bfloat16_copy, parameter.size(), optimized.rate_factor,
                       optimized.weight_decay});
  }
  autograd::kernels::AdamWStep(
      stream, tensors,
      {static_cast<float>(options_.beta1), static_cast<float>(1 - options_.beta1), static_cast<float>(options_.beta2),
       static_cast<float>(1 - options_.beta2), static_cast<float>(options_.epsilon)},
      rate_, corrections_, sound);
}

void AdamW::Fields(FieldVisitor& visitor) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    visitor.Field("first_moment." + parameters_[i].name, first_moment_[i]);
    visitor.Field("second_moment." + parameters_[i].name, second_moment_[i]);
  }
  visitor.Field("steps", steps_);
}

}  // namespace nn
