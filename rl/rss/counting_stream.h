#pragma once

// A device that counts what passes between it and the host, for tests.

#include <cstddef>
#include <cstdint>

#include "autograd/runtime/stream.h"

namespace rl::testing {

class CountingStream : public autograd::Stream {
 public:
  explicit CountingStream(autograd::Stream& device)
      : Stream(device.device(), &device.allocator(), device.native()), device_(device) {}

  void MakeCurrent() noexcept override { device_.MakeCurrent(); }
  void CopyToHost(void* host, const void* device, size_t bytes) override {
    ++copies;
    device_.CopyToHost(host, device, bytes);
  }
  void CopyFromHost(void* device, const void* host, size_t bytes) override {
    ++copies;
    device_.CopyFromHost(device, host, bytes);
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override { device_.CopyOnDevice(to, from, bytes); }
  void FillZero(void* device, size_t bytes) override { device_.FillZero(device, bytes); }

  int64_t copies = 0;

 private:
  autograd::Stream& device_;
};

}  // namespace rl::testing
