#include "nn/layers/conv_norm_act.h"

#include "autograd/core/tape.h"
#include "autograd/ops/conv2d.h"
#include "nn/layers/evaluation_scope.h"

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

Variable ConvolveAndNormalize(Conv2d& conv, BatchNorm2d& norm, const Variable& x, const Context& context, bool relu) {
  EvaluationScope* const scope = EvaluationScope::Current();
  if (context.training || scope == nullptr || autograd::WillRecord({x, Variable(conv.weight)}))
    return norm(conv(x), context, relu);
  EvaluationScope::Convolution& folded = scope->Folded(conv, norm, x.dtype());
  return autograd::Conv2d(x, folded.filter, folded.bias,
                          {.stride = conv.stride,
                           .padding = conv.padding,
                           .dilation = conv.dilation,
                           .groups = conv.groups,
                           .activation = relu ? autograd::Activation::kRelu : autograd::Activation::kNone,
                           .layouts = &folded.layouts});
}

void ConvNormAct::Fields(FieldVisitor& visitor) {
  visitor.Field("conv", conv);
  visitor.Field("bn", bn);
}

}  // namespace nn
