#pragma once

// A CUDA device as a Stream: its queue, its caching allocator, its copies. Public code opens one through
// autograd/device.

#include <memory>
#include <string>

#include "autograd/runtime/stream.h"

namespace autograd::cuda {

// Throws Error with CUDA's own words when there is no such device. Blocks of the allocator are reused in stream order.
std::unique_ptr<Stream> OpenCudaStream(int device);

// Why no CUDA device can be used, or "" when one can.
std::string WhyNoDevice();

// How many devices this process sees.
int DeviceCount();

}  // namespace autograd::cuda
