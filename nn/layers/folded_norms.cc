#include "nn/layers/folded_norms.h"

#include <cmath>
#include <vector>

#include "autograd/core/tape.h"
#include "autograd/ops/cast.h"
#include "autograd/ops/conv2d.h"

namespace nn {
namespace {

Variable Rounded(const autograd::Shape& shape, const std::vector<double>& values, autograd::DType dtype) {
  return autograd::Cast(Variable(Array::From<double>(shape, values)), dtype);
}

std::vector<double> Values(const Array& array) {
  return autograd::Cast(Variable(array), autograd::kFloat64).array().ToVector<double>();
}

}  // namespace

const FoldedNorms::Convolution& FoldedNorms::Of(Conv2d& conv, BatchNorm2d& norm, autograd::DType dtype) {
  Convolution& folded = convolutions_[{&norm, dtype}];
  if (folded.filter.defined()) return folded;
  std::vector<double> filter = Values(conv.weight.value()), shift = Values(norm.bias.value());
  const std::vector<double> gamma = Values(norm.weight.value()), mean = Values(norm.running_mean),
                            variance = Values(norm.running_variance);
  const std::vector<double> bias =
      conv.bias.defined() ? Values(conv.bias.value()) : std::vector<double>(shift.size(), 0.0);
  const size_t patch = filter.size() / shift.size();
  for (size_t o = 0; o < shift.size(); ++o) {
    const double scale = gamma[o] / std::sqrt(variance[o] + norm.options.epsilon);
    for (size_t i = 0; i < patch; ++i) filter[o * patch + i] *= scale;
    shift[o] += (bias[o] - mean[o]) * scale;
  }
  folded = {Rounded(conv.weight.shape(), filter, dtype), Rounded(norm.bias.shape(), shift, dtype)};
  return folded;
}

Variable ConvolveAndNormalize(Conv2d& conv, BatchNorm2d& norm, const Variable& x, const Context& context, bool relu) {
  if (context.training || context.folded_norms == nullptr || autograd::WillRecord({x, Variable(conv.weight)}))
    return norm(conv(x), context, relu);
  const FoldedNorms::Convolution& folded = context.folded_norms->Of(conv, norm, x.dtype());
  return autograd::Conv2d(x, folded.filter, folded.bias,
                          {.stride = conv.stride,
                           .padding = conv.padding,
                           .dilation = conv.dilation,
                           .groups = conv.groups,
                           .activation = relu ? autograd::Activation::kRelu : autograd::Activation::kNone});
}

}  // namespace nn
