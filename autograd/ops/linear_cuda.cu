#include "autograd/ops/bias_activation_cuda.h"
#include "autograd/ops/linear_cuda.h"
#include "autograd/ops/linear_kernels.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd::cuda {

// cuBLASLt's GELU is the approximation by tanh, not ours, so GELU is a pass of its own.
void LinearForward(Stream& stream, const Array& x, const Array& weight, const Array& bias, Activation activation,
                   WeightLayouts*, Array& before_activation, Array& y) {
  if (y.size() == 0) return;
  const int64_t outputs = weight.shape()[0], inputs = weight.shape()[1];
  const bool relu = activation == Activation::kRelu;
  if (bias.defined() && LinearInOnePass(stream, x, weight, bias, relu, y)) {
    if (activation == Activation::kGelu)
      AddBiasAndActivate("Linear", stream, Array(), activation, before_activation, y);
    return;
  }
  MatMul(stream, {1, y.size() / outputs, outputs, inputs, false, true, false}, x, weight, y);
  AddBiasAndActivate("Linear", stream, bias, activation, before_activation, y);
}

void LinearParameterGradient(Stream& stream, const Array& x, const Array& dy, Array& dweight, Array& dbias) {
  if (dweight.size() > 0 && ParameterGradientInOnePass(stream, x, dy, dweight, dbias)) return;
  const int64_t outputs = dweight.shape()[0], inputs = dweight.shape()[1], rows = x.shape().rows();
  MatMul(stream, {1, outputs, inputs, rows, true, false, false}, dy, x, dweight);
  SumMiddle(stream, dy, 1, rows, outputs, 1.0, dbias);
}

}  // namespace autograd::cuda
