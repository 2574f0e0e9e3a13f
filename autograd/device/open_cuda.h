#pragma once

#include <memory>
#include <string>

#include "autograd/runtime/stream.h"

// Defined in open_cuda.cc where the toolkit is, in no_cuda.cc elsewhere (BUILD selects).
namespace autograd::internal {

std::string WhyNoCudaDevice();
int CudaDeviceCount();
std::unique_ptr<Stream> OpenCudaDevice(int index);

}  // namespace autograd::internal
