#include "nn/layers/linear.h"

#include "autograd/ops/cast.h"
#include "autograd/ops/linear.h"
#include "nn/layers/evaluation_scope.h"

namespace nn {

Variable InTypeOf(const Variable& x, Parameter& parameter) {
  return parameter.defined() ? autograd::Cast(parameter, x.dtype()) : Variable();
}

Linear::Linear(int64_t inputs, int64_t outputs, const LinearOptions& options, RandomKey key) : layout(options.layout) {
  const Fans fans{static_cast<double>(inputs), static_cast<double>(outputs)};
  weight.Set(options.weight_initializer({outputs, inputs}, fans, key.Split("weight")));
  if (options.bias) bias.Set(options.bias_initializer({outputs}, fans, key.Split("bias")));
}

Variable Linear::operator()(const Variable& x, autograd::Activation activation) {
  return autograd::Linear(x, InTypeOf(x, weight), InTypeOf(x, bias), activation, LayoutsOf(x, weight));
}

void Linear::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight, layout);
  if (bias.defined()) visitor.Field("bias", bias);
}

}  // namespace nn
