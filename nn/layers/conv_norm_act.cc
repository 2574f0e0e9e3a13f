#include "nn/layers/conv_norm_act.h"

#include "nn/layers/folded_norms.h"

namespace nn {

ConvNormAct::ConvNormAct(int64_t inputs, int64_t outputs, int64_t kernel, const ConvNormActOptions& options,
                         RandomKey key)
    : conv(inputs, outputs, kernel,
           {.stride = options.stride,
            .padding = options.dilation * (kernel / 2),
            .dilation = options.dilation,
            .bias = false,
            .weight_initializer = options.weight_initializer},
           key.Split("conv")),
      bn(outputs, options.norm),
      relu(options.relu) {
  autograd::Require(kernel % 2 == 1, "ConvNormAct", "kernel is ", kernel, " but must be odd");
}

Variable ConvNormAct::operator()(const Variable& x, const Context& context) {
  return ConvolveAndNormalize(conv, bn, x, context, relu);
}

void ConvNormAct::Fields(FieldVisitor& visitor) {
  visitor.Field("conv", conv);
  visitor.Field("bn", bn);
}

}  // namespace nn
