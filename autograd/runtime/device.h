#pragma once

#include <cstdint>
#include <ostream>

namespace autograd {

enum class DeviceType : uint8_t {
  kCpu,
  kCuda,
  kEmulatedCuda,  // CUDA kernels run on the CPU, for tests (autograd/testing/emulator)
};

struct Device {
  DeviceType type = DeviceType::kCpu;
  int index = 0;
  friend constexpr bool operator==(const Device& a, const Device& b) { return a.type == b.type && a.index == b.index; }
};

inline std::ostream& operator<<(std::ostream& out, const Device& device) {
  if (device.type == DeviceType::kCpu) return out << "cpu";
  return out << (device.type == DeviceType::kCuda ? "cuda:" : "emulated cuda:") << device.index;
}

}  // namespace autograd
