#include "autograd/runtime/stream.h"

#include <cstring>
#include <utility>

namespace autograd {
namespace {

thread_local Stream* current_stream = nullptr;

class Repetition : public Recording {
 public:
  explicit Repetition(std::function<void()> work) : work_(std::move(work)) {}
  void Replay() override { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace

void Stream::CopyToHost(void* host, const void* device, size_t bytes) { std::memcpy(host, device, bytes); }
void Stream::CopyFromHost(void* device, const void* host, size_t bytes) { std::memcpy(device, host, bytes); }
void Stream::CopyOnDevice(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void Stream::FillZero(void* device, size_t bytes) { std::memset(device, 0, bytes); }

std::unique_ptr<Recording> Stream::Record(std::function<void()> work) {
  return std::make_unique<Repetition>(std::move(work));
}

std::unique_ptr<Stream> Stream::OpenBeside() { return std::make_unique<Stream>(device_, allocator_); }

void Stream::WaitFor(Stream&) {}

Stream& Stream::Cpu() {
  static Stream* stream = new Stream(Device{DeviceType::kCpu, 0}, &Allocator::Cpu());
  return *stream;
}

Stream& Stream::Current() { return current_stream != nullptr ? *current_stream : Cpu(); }

StreamScope::StreamScope(Stream& stream) : previous_(current_stream) {
  current_stream = &stream;
  stream.MakeCurrent();
}
StreamScope::~StreamScope() {
  current_stream = previous_;
  if (previous_ != nullptr) previous_->MakeCurrent();
}

}  // namespace autograd
