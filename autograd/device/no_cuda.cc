#include "autograd/device/open_cuda.h"
#include "autograd/runtime/error.h"

namespace autograd::internal {

std::string WhyNoCudaDevice() { return "this build has no CUDA (no toolkit was found, or --cuda=false)"; }
int CudaDeviceCount() { return 0; }
std::unique_ptr<Stream> OpenCudaDevice(int) { Fail("OpenStream", WhyNoCudaDevice()); }

}  // namespace autograd::internal
