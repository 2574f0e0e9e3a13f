#include "autograd/ops/linear_cuda.h"

#include "autograd/cuda/gemm.h"

namespace autograd::cuda {

bool LinearInOnePass(Stream& stream, const Array& x, const Array& weight, const Array& bias, bool relu, Array& y) {
  const int64_t outputs = weight.shape()[0], inputs = weight.shape()[1];
  if (inputs == 0) return false;
  return Gemm("Linear", stream, {1, y.size() / outputs, outputs, inputs, false, true, false}, x, weight,
              relu ? GemmEpilogue::kBiasRelu : GemmEpilogue::kBias, bias, y);
}

bool ParameterGradientInOnePass(Stream& stream, const Array& x, const Array& dy, Array& dweight, Array& dbias) {
  const int64_t outputs = dweight.shape()[0], inputs = dweight.shape()[1], rows = x.shape().rows();
  if (rows == 0 || inputs == 0) return false;
  return Gemm("Linear", stream, {1, outputs, inputs, rows, true, false, false}, dy, x, GemmEpilogue::kBiasGradient,
              dbias, dweight);
}

}  // namespace autograd::cuda
