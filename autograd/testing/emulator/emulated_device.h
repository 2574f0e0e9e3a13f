#pragma once

// The emulated CUDA device as a Stream. Kernels that were compiled for the emulator run on it; kernels that call CUDA's
// libraries have a stand-in (NAME_emulated.cc). Its memory is out of the host's reach: outside kernels and copies a
// touch is a segmentation fault, as on a real device. Every array is as long as asked for, with borders that
// AddressSanitizer watches, and starts as NaN (bytes 0xFF).

#include <memory>

#include "autograd/runtime/stream.h"

namespace cuda_emulator {

// Devices differ by their number alone.
std::unique_ptr<autograd::Stream> OpenEmulatedStream(int device = 0);

// Lets the host into the device's memory for its life: what a kernel's launch, a copy and a library's stand-in open.
class DeviceMemoryAccess {
 public:
  DeviceMemoryAccess();
  ~DeviceMemoryAccess();
  DeviceMemoryAccess(const DeviceMemoryAccess&) = delete;
  DeviceMemoryAccess& operator=(const DeviceMemoryAccess&) = delete;
};

}  // namespace cuda_emulator
