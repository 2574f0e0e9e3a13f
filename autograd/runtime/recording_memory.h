#pragma once

// The memory of a recording (Stream::Record), between its allocator and the device's.

#include <cstddef>
#include <utility>
#include <vector>

#include "autograd/runtime/allocator.h"

namespace autograd {

// While the recording is made, nothing goes back to the device. To release a block waits for the device, which CUDA
// forbids while it captures (the capture is lost, and a later, innocent operation gets the blame), and what was
// recorded already refers to the block. So an allocator that trims its cache for lack of memory gains nothing and says
// at once what was asked for and what is live.
class RecordingMemory : public MemorySource {
 public:
  // `source` must outlive this.
  explicit RecordingMemory(MemorySource* source) : source_(source) {}
  ~RecordingMemory() override { ReleaseKept(); }

  void* Reserve(size_t bytes) override { return source_->Reserve(bytes); }
  void Release(void* pointer, size_t bytes) override {
    if (recording_) {
      kept_.push_back({pointer, bytes});
    } else {
      source_->Release(pointer, bytes);
    }
  }

  // The recording is made, or given up.
  void EndRecording() { recording_ = false; }
  // It will not be replayed any more.
  void ReleaseKept() {
    for (const auto& [pointer, bytes] : std::exchange(kept_, {})) source_->Release(pointer, bytes);
  }

 private:
  MemorySource* source_;
  bool recording_ = true;
  std::vector<std::pair<void*, size_t>> kept_;
};

}  // namespace autograd
