#include "autograd/device/open_cuda.h"

#include "autograd/cuda/cuda_stream.h"

namespace autograd::internal {

std::string WhyNoCudaDevice() { return cuda::WhyNoDevice(); }
int CudaDeviceCount() { return cuda::DeviceCount(); }
std::unique_ptr<Stream> OpenCudaDevice(int index) { return cuda::OpenCudaStream(index); }

}  // namespace autograd::internal
