#pragma once

#include "autograd/ops/activation.h"
#include "nn/initializers/initializers.h"
#include "nn/module.h"

namespace nn {

// A parameter in the dtype of the activations it meets (bfloat16 copies are made once a version).
Variable InTypeOf(const Variable& x, Parameter& parameter);

struct LinearOptions {
  bool bias = true;
  Initializer weight_initializer = FanInUniform();
  Initializer bias_initializer = FanInUniform();
  // kPointwiseConv2d for a layer whose public twin is a 1×1 convolution.
  Layout layout = Layout::kLinear;
};

// y [..., outputs] = x [..., inputs]·weightᵀ + bias. Over images this is the 1×1 convolution. Fields: weight, bias.
struct Linear {
  Linear(int64_t inputs, int64_t outputs, const LinearOptions& options, RandomKey key);
  Variable operator()(const Variable& x, autograd::Activation activation = autograd::Activation::kNone);
  void Fields(FieldVisitor& visitor);

  Parameter weight;  // [outputs, inputs]
  Parameter bias;    // [outputs], undefined without bias
  Layout layout;
};

}  // namespace nn
