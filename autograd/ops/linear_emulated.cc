#include "autograd/ops/linear_cuda.h"

namespace autograd::cuda {

// The emulator takes the passes one after the other.
bool LinearInOnePass(Stream&, const Array&, const Array&, const Array&, bool, Array&) { return false; }
bool ParameterGradientInOnePass(Stream&, const Array&, const Array&, Array&, Array&) { return false; }

}  // namespace autograd::cuda
