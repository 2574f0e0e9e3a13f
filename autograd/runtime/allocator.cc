#include "autograd/runtime/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <vector>

#include "autograd/runtime/error.h"

namespace autograd {
namespace {

thread_local const char* current_operation = "other";

class HostMemory : public MemorySource {
 public:
  void* Reserve(size_t bytes) override {
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t alignment = bytes >= kHugePage ? kHugePage : Allocator::kAlignment;
    void* pointer = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#ifdef MADV_HUGEPAGE
    if (pointer != nullptr && bytes >= kHugePage) madvise(pointer, bytes, MADV_HUGEPAGE);
#endif
    return pointer;
  }
  void Release(void* pointer, size_t) override { std::free(pointer); }
};

}  // namespace

OperationScope::OperationScope(const char* name) : previous_(current_operation) { current_operation = name; }
OperationScope::~OperationScope() { current_operation = previous_; }
const char* OperationScope::Current() { return current_operation; }

Allocator::Allocator(MemorySource* source, Device device, BlockPolicy policy)
    : source_(source), device_(device), policy_(policy) {}

Allocator::~Allocator() { Trim(); }

// Eight classes between powers of two: at most 12.5 % is lost to rounding.
size_t Allocator::SizeClass(size_t bytes) {
  if (bytes <= kAlignment) return kAlignment;
  const size_t step = std::max<size_t>(kAlignment, std::bit_floor(bytes - 1) / 8);
  return (bytes + step - 1) / step * step;
}

Allocator::Block Allocator::Allocate(size_t bytes) {
  const size_t size = policy_ == BlockPolicy::kExact ? bytes : SizeClass(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  ++allocations_;
  void* pointer = nullptr;
  std::vector<void*>& bucket = cached_[size];
  if (!bucket.empty()) {
    pointer = bucket.back();
    bucket.pop_back();
  } else {
    pointer = source_->Reserve(size);
    if (pointer == nullptr) {
      TrimLocked();
      pointer = source_->Reserve(size);
    }
    if (pointer == nullptr) {
      std::vector<std::pair<int64_t, const char*>> largest;
      for (const auto& [operation, live] : live_by_operation_) largest.push_back({live, operation});
      std::sort(largest.rbegin(), largest.rend());
      std::string list;
      for (size_t i = 0; i < std::min<size_t>(5, largest.size()); ++i) {
        list +=
            std::string(i > 0 ? ", " : "") + largest[i].second + " " + std::to_string(largest[i].first >> 20) + " MiB";
      }
      Fail(current_operation, "out of memory on ", device_, ": asked for ", size >> 20, " MiB with ", live_bytes_ >> 20,
           " MiB live (", list, "); reduce the batch or crop size, or use gradient checkpointing");
    }
    reserved_bytes_ += static_cast<int64_t>(size);
    ++reservations_;
  }
  live_bytes_ += static_cast<int64_t>(size);
  live_by_operation_[current_operation] += static_cast<int64_t>(size);
  if (live_bytes_ > peak_bytes_) {
    peak_bytes_ = live_bytes_;
    // A copy at every new peak would be costly while memory still grows: only notable rises are itemised.
    static constexpr double kNotable = 1.01;
    int64_t itemised = 0;
    for (const auto& [operation, live] : at_peak_) itemised += live;
    if (static_cast<double>(live_bytes_) > kNotable * static_cast<double>(itemised)) at_peak_ = live_by_operation_;
  }
  return {pointer, size, current_operation};
}

void Allocator::Free(const Block& block) {
  if (block.pointer == nullptr) return;
  std::lock_guard<std::mutex> lock(mutex_);
  live_bytes_ -= static_cast<int64_t>(block.bytes);
  live_by_operation_[block.operation] -= static_cast<int64_t>(block.bytes);
  if (policy_ == BlockPolicy::kExact) {
    source_->Release(block.pointer, block.bytes);
    reserved_bytes_ -= static_cast<int64_t>(block.bytes);
  } else {
    cached_[block.bytes].push_back(block.pointer);
  }
}

void Allocator::TrimLocked() {
  for (auto& [size, bucket] : cached_) {
    for (void* pointer : bucket) source_->Release(pointer, size);
    reserved_bytes_ -= static_cast<int64_t>(size * bucket.size());
    bucket.clear();
  }
}

void Allocator::Trim() {
  std::lock_guard<std::mutex> lock(mutex_);
  TrimLocked();
}

AllocatorStatistics Allocator::Statistics() const {
  std::lock_guard<std::mutex> lock(mutex_);
  AllocatorStatistics statistics;
  statistics.live_bytes = live_bytes_;
  statistics.peak_bytes = peak_bytes_;
  statistics.reserved_bytes = reserved_bytes_;
  statistics.reservations = reservations_;
  statistics.allocations = allocations_;
  for (const auto& [operation, live] : live_by_operation_) statistics.live_by_operation[operation] += live;
  for (const auto& [operation, live] : at_peak_) statistics.live_by_operation_at_peak[operation] += live;
  return statistics;
}

void Allocator::ResetPeak() {
  std::lock_guard<std::mutex> lock(mutex_);
  peak_bytes_ = live_bytes_;
  at_peak_ = live_by_operation_;
}

Allocator& Allocator::Cpu() {
  // Never destroyed: arrays with static lifetime may outlive every other static object.
  static Allocator* allocator = new Allocator(new HostMemory(), Device{DeviceType::kCpu, 0});
  return *allocator;
}

}  // namespace autograd
