#include "autograd/ops/matmul_kernels.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"

namespace autograd::cuda {

// cuBLASLt does it on a device.
void MatMul(Stream&, const MatMulPlan& plan, const Array& a, const Array& b, Array& y) {
  const auto run = [=] {
    const cuda_emulator::DeviceMemoryAccess access;
    StreamScope on_the_cpu(Stream::Cpu());
    Array product = y;
    cpu::MatMul(Stream::Cpu(), plan, a, b, product);
  };
  if (!cuda_emulator::Recorded(run)) run();
}

}  // namespace autograd::cuda
