#include "nn/layers/convolution.h"

#include "autograd/ops/conv2d.h"
#include "autograd/ops/depthwise_conv2d.h"
#include "nn/layers/evaluation_scope.h"
#include "nn/layers/linear.h"

namespace nn {

Conv2d::Conv2d(int64_t inputs, int64_t outputs, int64_t kernel, const Conv2dOptions& options, RandomKey key)
    : stride(options.stride), padding(options.padding), dilation(options.dilation), groups(options.groups) {
  autograd::Require(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "Conv2d", groups, " groups of ",
                    inputs, " inputs and ", outputs, " outputs");
  const double area = static_cast<double>(kernel * kernel);
  const Fans fans{area * static_cast<double>(inputs / groups), area * static_cast<double>(outputs)};
  weight.Set(options.weight_initializer({outputs, kernel, kernel, inputs / groups}, fans, key.Split("weight")));
  if (options.bias) bias.Set(options.bias_initializer({outputs}, fans, key.Split("bias")));
}

Variable Conv2d::operator()(const Variable& x) {
  return autograd::Conv2d(
      x, InTypeOf(x, weight), InTypeOf(x, bias),
      {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups, .layouts = LayoutsOf(x, weight)});
}

void Conv2d::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight, Layout::kConv2d);
  if (bias.defined()) visitor.Field("bias", bias);
}

DepthwiseConv2d::DepthwiseConv2d(int64_t channels, int64_t kernel, const DepthwiseConv2dOptions& options, RandomKey key)
    : stride(options.stride), dilation(options.dilation) {
  const double area = static_cast<double>(kernel * kernel);
  const Fans fans{area, area * static_cast<double>(channels)};
  weight.Set(options.weight_initializer({kernel, kernel, channels}, fans, key.Split("weight")));
  if (options.bias) bias.Set(options.bias_initializer({channels}, fans, key.Split("bias")));
}

Variable DepthwiseConv2d::operator()(const Variable& x) {
  return autograd::DepthwiseConv2d(x, InTypeOf(x, weight), InTypeOf(x, bias), {.stride = stride, .dilation = dilation});
}

void DepthwiseConv2d::Fields(FieldVisitor& visitor) {
  visitor.Field("weight", weight, Layout::kDepthwiseConv2d);
  if (bias.defined()) visitor.Field("bias", bias);
}

}  // namespace nn
