#include "autograd/runtime/stream.h"

#include <cstring>

namespace autograd {
namespace {
thread_local Stream* current_stream = nullptr;
}  // namespace

void Stream::CopyToHost(void* host, const void* device, size_t bytes) { std::memcpy(host, device, bytes); }
void Stream::CopyFromHost(void* device, const void* host, size_t bytes) { std::memcpy(device, host, bytes); }
void Stream::CopyOnDevice(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void Stream::FillZero(void* device, size_t bytes) { std::memset(device, 0, bytes); }

Stream& Stream::Cpu() {
  static Stream* stream = new Stream(Device{DeviceType::kCpu, 0}, &Allocator::Cpu());
  return *stream;
}

Stream& Stream::Current() { return current_stream != nullptr ? *current_stream : Cpu(); }

StreamScope::StreamScope(Stream& stream) : previous_(current_stream) { current_stream = &stream; }
StreamScope::~StreamScope() { current_stream = previous_; }

}  // namespace autograd
