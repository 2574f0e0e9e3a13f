#include "autograd/ops/attention_cuda.h"

namespace autograd::cuda {

// The emulator runs our own kernels.
bool AttentionByCudnn(Stream&, const Array&, const Array&, const Array&, double, const Array&, const Array&) {
  return false;
}
bool AttentionGradientByCudnn(Stream&, const Array&, const Array&, const Array&, const Array&, const Array&,
                              const Array&, double, const Array&, const Array&, const Array&) {
  return false;
}

}  // namespace autograd::cuda
