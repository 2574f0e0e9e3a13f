#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "autograd/runtime/stream.h"
#include "autograd/testing/emulator/emulated_device.h"

namespace autograd::testing {

// Runs the body of a test on the CPU, and again with CUDA's kernels in the emulator: what it makes is made there, and
// what it reads comes back.
inline void OnEachDevice(const std::function<void()>& body) {
  body();
  SCOPED_TRACE("in the emulator of CUDA");
  const std::unique_ptr<Stream> emulated = cuda_emulator::OpenEmulatedStream();
  StreamScope scope(*emulated);
  body();
}

}  // namespace autograd::testing
