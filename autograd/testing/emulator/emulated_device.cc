#include "autograd/testing/emulator/emulated_device.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/testing/emulator/emulator.h"
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

class EmulatedRecording : public autograd::Recording {
 public:
  void Replay() override {
    for (const std::function<void()>& work : queue) work();
  }
  std::vector<std::function<void()>> queue;
};

struct Memory {
  explicit Memory(autograd::Device device) : allocator(&source, device, autograd::BlockPolicy::kExact) {}
  EmulatedMemory source;
  autograd::Allocator allocator;
};

class EmulatedStream : public autograd::Stream {
 public:
  EmulatedStream(autograd::Device device, std::shared_ptr<Memory> memory)
      : Stream(device, &memory->allocator, &native_), native_{device.index}, memory_(std::move(memory)) {}

  void MakeCurrent() noexcept override { SetCurrentDevice(device().index); }
  void Synchronize() override { RequireNotRecording("Synchronize"); }
  void CopyToHost(void* host, const void* device, size_t bytes) override {
    RequireNotRecording("CopyToHost");
    const DeviceMemoryAccess access;
    Stream::CopyToHost(host, device, bytes);
  }
  void CopyFromHost(void* device, const void* host, size_t bytes) override {
    const auto* const first = static_cast<const char*>(host);
    if (recording_ && Recorded([this, device, kept = std::vector<char>(first, first + bytes)] {
          CopyFromHost(device, kept.data(), kept.size());
        }))
      return;
    const DeviceMemoryAccess access;
    Stream::CopyFromHost(device, host, bytes);
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    if (Recorded([=, this] { CopyOnDevice(to, from, bytes); })) return;
    const DeviceMemoryAccess access;
    Stream::CopyOnDevice(to, from, bytes);
  }
  void FillZero(void* device, size_t bytes) override {
    if (Recorded([=, this] { FillZero(device, bytes); })) return;
    const DeviceMemoryAccess access;
    Stream::FillZero(device, bytes);
  }

  std::unique_ptr<autograd::Recording> Record(std::function<void()> work) override {
    RequireNotRecording("Record");
    // Not kExact: what the recording frees it alone may use again.
    pools_.push_back(std::make_unique<autograd::Allocator>(&memory_->source, device()));
    auto recording = std::make_unique<EmulatedRecording>();
    recording_ = true;
    UseAllocator(pools_.back().get());
    SetRecording(&recording->queue);
    const auto stop = [this] {
      SetRecording(nullptr);
      UseAllocator(&memory_->allocator);
      recording_ = false;
    };
    try {
      work();
    } catch (...) {
      stop();
      throw;
    }
    stop();
    return recording;
  }

  // Everything is done by the time its call returns, so there is nothing to wait for.
  std::unique_ptr<autograd::Stream> OpenBeside() override {
    return std::make_unique<EmulatedStream>(device(), memory_);
  }

 private:
  void RequireNotRecording(const char* operation) const {
    autograd::Require(!recording_, operation, "a recorded step may not wait for the device or read from it");
  }

  NativeStream native_;
  bool recording_ = false;
  std::shared_ptr<Memory> memory_;
  std::vector<std::unique_ptr<autograd::Allocator>> pools_;
};

}  // namespace

std::unique_ptr<autograd::Stream> OpenEmulatedStream(int device) {
  const autograd::Device emulated = {autograd::DeviceType::kEmulatedCuda, device};
  return std::make_unique<EmulatedStream>(emulated, std::make_shared<Memory>(emulated));
}

DeviceMemoryAccess::DeviceMemoryAccess() { Arena::Only().Open(); }
DeviceMemoryAccess::~DeviceMemoryAccess() { Arena::Only().Close(); }

}  // namespace cuda_emulator
