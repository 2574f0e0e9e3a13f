#pragma once

// A caching allocator behind two hooks (reserve, release): the one implementation serves the CPU and CUDA. Freed blocks
// wait in size classes for the next request of that class, so a training step that repeats itself stops calling the
// system after its first round. On CUDA blocks are reused in stream order: one allocator belongs to one stream.

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "autograd/runtime/device.h"

namespace autograd {

struct AllocatorStatistics {
  int64_t live_bytes = 0;      // handed out now (rounded to size classes)
  int64_t peak_bytes = 0;      // highest live_bytes since the last ResetPeak
  int64_t reserved_bytes = 0;  // held from the system: live and cached
  int64_t reservations = 0;    // calls to the system
  int64_t allocations = 0;     // calls to Allocate
  std::map<std::string, int64_t> live_by_operation;
  std::map<std::string, int64_t> live_by_operation_at_peak;
};

// The memory behind an allocator.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual void* Reserve(size_t bytes) = 0;  // nullptr when there is none
  virtual void Release(void* pointer, size_t bytes) = 0;
};

// Names the operation that allocations of this thread are counted under, for the scope's life. Dims opens one, so every
// op has it.
class OperationScope {
 public:
  explicit OperationScope(const char* name);
  ~OperationScope();
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;
  static const char* Current();

 private:
  const char* previous_;
};

enum class BlockPolicy {
  kCached,  // rounded to size classes and kept for the next request
  kExact,   // as many bytes as asked for, given back at once: borders can be watched
};

class Allocator {
 public:
  static constexpr size_t kAlignment = 64;

  Allocator(MemorySource* source, Device device, BlockPolicy policy = BlockPolicy::kCached);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // A block of at least `bytes`, aligned to kAlignment; throws Error with what is live, by operation, when there is no
  // memory.
  struct Block {
    void* pointer = nullptr;
    size_t bytes = 0;  // of the size class, or as asked for
    const char* operation = nullptr;
  };
  Block Allocate(size_t bytes);
  void Free(const Block& block);

  // Returns every cached block to the system.
  void Trim();

  Device device() const { return device_; }
  AllocatorStatistics Statistics() const;
  void ResetPeak();

  // The process-wide host allocator.
  static Allocator& Cpu();

 private:
  static size_t SizeClass(size_t bytes);
  void TrimLocked();

  MemorySource* source_;
  Device device_;
  BlockPolicy policy_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> cached_;
  std::map<const char*, int64_t> live_by_operation_;
  std::map<const char*, int64_t> at_peak_;
  int64_t live_bytes_ = 0, peak_bytes_ = 0, reserved_bytes_ = 0, reservations_ = 0, allocations_ = 0;
};

}  // namespace autograd
