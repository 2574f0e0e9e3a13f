#include "autograd/testing/emulator/emulated_device.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/testing/emulator/sanitizer.h"

namespace cuda_emulator {
namespace {

constexpr size_t kArenaBytes = size_t{1} << 30;  // of addresses; pages come when they are used
constexpr size_t kPage = 4096, kRedzone = 64;

// One range of addresses for every emulated device of the process, so that one call protects it.
class Arena {
 public:
  static Arena& Only() {
    static Arena* arena = new Arena();
    return *arena;
  }

  void* Reserve(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t block = BlockBytes(bytes);
    size_t offset = 0;
    if (std::vector<size_t>& free = free_[block]; !free.empty()) {
      offset = free.back();
      free.pop_back();
    } else {
      if (used_ + block > kArenaBytes) return nullptr;
      offset = used_;
      used_ += block;
      if (accesses_ > 0) Protect(PROT_READ | PROT_WRITE);
    }
    OpenLocked();
    Unpoison(base_ + offset, block);
    std::memset(base_ + offset, 0xFF, block);
    Poison(base_ + offset + bytes, block - bytes);
    CloseLocked();
    return base_ + offset;
  }

  void Release(void* pointer, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t block = BlockBytes(bytes);
    Poison(pointer, block);
    free_[block].push_back(static_cast<size_t>(static_cast<char*>(pointer) - base_));
  }

  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    OpenLocked();
  }
  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    CloseLocked();
  }

 private:
  Arena() {
    void* base = mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    autograd::Require(base != MAP_FAILED, "cuda emulator", "no addresses for device memory");
    base_ = static_cast<char*>(base);
  }
  static size_t BlockBytes(size_t bytes) { return (bytes + 2 * kRedzone - 1) / kRedzone * kRedzone; }
  void OpenLocked() {
    if (accesses_++ == 0) Protect(PROT_READ | PROT_WRITE);
  }
  void CloseLocked() {
    if (--accesses_ == 0) Protect(PROT_NONE);
  }
  void Protect(int protection) {
    if (used_ > 0) mprotect(base_, (used_ + kPage - 1) / kPage * kPage, protection);
  }

  std::mutex mutex_;
  char* base_ = nullptr;
  size_t used_ = 0;
  int accesses_ = 0;
  std::map<size_t, std::vector<size_t>> free_;
};

class EmulatedMemory : public autograd::MemorySource {
 public:
  void* Reserve(size_t bytes) override { return Arena::Only().Reserve(bytes); }
  void Release(void* pointer, size_t bytes) override { Arena::Only().Release(pointer, bytes); }
};

class EmulatedStream : public autograd::Stream {
 public:
  EmulatedStream(std::unique_ptr<EmulatedMemory> memory, std::unique_ptr<autograd::Allocator> allocator)
      : Stream({autograd::DeviceType::kEmulatedCuda, 0}, allocator.get()),
        memory_(std::move(memory)),
        allocator_(std::move(allocator)) {}

  void CopyToHost(void* host, const void* device, size_t bytes) override {
    const DeviceMemoryAccess access;
    Stream::CopyToHost(host, device, bytes);
  }
  void CopyFromHost(void* device, const void* host, size_t bytes) override {
    const DeviceMemoryAccess access;
    Stream::CopyFromHost(device, host, bytes);
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    const DeviceMemoryAccess access;
    Stream::CopyOnDevice(to, from, bytes);
  }
  void FillZero(void* device, size_t bytes) override {
    const DeviceMemoryAccess access;
    Stream::FillZero(device, bytes);
  }

 private:
  std::unique_ptr<EmulatedMemory> memory_;
  std::unique_ptr<autograd::Allocator> allocator_;
};

}  // namespace

std::unique_ptr<autograd::Stream> OpenEmulatedStream() {
  auto memory = std::make_unique<EmulatedMemory>();
  auto allocator = std::make_unique<autograd::Allocator>(
      memory.get(), autograd::Device{autograd::DeviceType::kEmulatedCuda, 0}, autograd::BlockPolicy::kExact);
  return std::make_unique<EmulatedStream>(std::move(memory), std::move(allocator));
}

DeviceMemoryAccess::DeviceMemoryAccess() { Arena::Only().Open(); }
DeviceMemoryAccess::~DeviceMemoryAccess() { Arena::Only().Close(); }

}  // namespace cuda_emulator
