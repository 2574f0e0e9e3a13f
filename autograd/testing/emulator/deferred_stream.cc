#include "autograd/testing/emulator/deferred_stream.h"

#include <cstring>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/emulator.h"

namespace cuda_emulator {
namespace {

using Work = std::function<void()>;

struct Queue {
  std::vector<Work> work;
  size_t done = 0;
  // By place in `work`: what another queue must have done before that runs.
  std::map<size_t, std::pair<const Queue*, size_t>> waits;

  bool MayRun() const {
    if (done == work.size()) return false;
    const auto wait = waits.find(done);
    return wait == waits.end() || wait->second.first->done >= wait->second.second;
  }
};

class Queues {
 public:
  Queues(QueueOrder order, uint64_t seed) : order_(order), key_(seed) { SetRecording(&Open().work); }
  ~Queues() { SetRecording(nullptr); }
  Queues(const Queues&) = delete;
  Queues& operator=(const Queues&) = delete;

  Queue& Open() { return *queues_.emplace_back(std::make_unique<Queue>()); }
  Queue& owner() { return *queues_.front(); }

  // Runs what `queue` has been given, and of the others what comes first.
  void Finish(const Queue& queue) {
    while (queue.done < queue.work.size()) {
      std::vector<Queue*> ready;
      for (const auto& other : queues_) {
        if (other->MayRun()) ready.push_back(other.get());
      }
      autograd::Require(!ready.empty(), "deferred stream", "queues wait for each other");
      size_t next = 0;
      if (order_ == QueueOrder::kOpenedLast) next = ready.size() - 1;
      if (order_ == QueueOrder::kRandom) {
        next = autograd::UniformBelow(autograd::Philox(key_, draws_++).x, static_cast<uint32_t>(ready.size()));
      }
      RunNext(*ready[next]);
    }
  }

 private:
  void RunNext(Queue& queue) {
    const Work work = std::move(queue.work[queue.done++]);
    SetRecording(nullptr);
    work();
    SetRecording(&owner().work);
  }

  const QueueOrder order_;
  const autograd::RandomKey key_;
  uint64_t draws_ = 0;
  std::vector<std::unique_ptr<Queue>> queues_;
};

// Blocks come from the emulated device and stay with it until the end: here they only change hands.
class DeferredMemory : public autograd::MemorySource {
 public:
  DeferredMemory(autograd::Allocator& device, Queues& queues) : device_(device), queues_(queues) {}
  ~DeferredMemory() override {
    for (const autograd::Allocator::Block& block : blocks_) device_.Free(block);
  }

  void* Reserve(size_t bytes) override {
    std::vector<void*>& free = free_[bytes];
    if (free.empty()) free.push_back(blocks_.emplace_back(device_.Allocate(bytes)).pointer);
    void* const pointer = free.back();
    free.pop_back();
    FillInOrder(pointer, bytes);
    return pointer;
  }
  void Release(void* pointer, size_t bytes) override {
    FillInOrder(pointer, bytes);
    free_[bytes].push_back(pointer);
  }

 private:
  void FillInOrder(void* pointer, size_t bytes) {
    queues_.owner().work.push_back([=] {
      const DeviceMemoryAccess access;
      std::memset(pointer, 0xFF, bytes);
    });
  }

  autograd::Allocator& device_;
  Queues& queues_;
  std::map<size_t, std::vector<void*>> free_;
  std::vector<autograd::Allocator::Block> blocks_;
};

struct Device {
  Device(QueueOrder order, uint64_t seed) : queues(order, seed) {}
  // Does at once what it is given.
  std::unique_ptr<autograd::Stream> engine = OpenEmulatedStream();
  Queues queues;
  DeferredMemory memory = DeferredMemory(engine->allocator(), queues);
  autograd::Allocator allocator =
      autograd::Allocator(&memory, {autograd::DeviceType::kEmulatedCuda, 0}, autograd::BlockPolicy::kExact);
};

class DeferredStream : public autograd::Stream {
 public:
  DeferredStream(std::shared_ptr<Device> device, Queue& queue)
      : Stream(device->engine->device(), &device->allocator, device->engine->native()),
        device_(std::move(device)),
        queue_(queue) {}
  ~DeferredStream() override { device_->queues.Finish(queue_); }

  void MakeCurrent() noexcept override { device_->engine->MakeCurrent(); }
  void Synchronize() override { device_->queues.Finish(queue_); }
  void CopyToHost(void* host, const void* from, size_t bytes) override {
    Synchronize();
    device_->engine->CopyToHost(host, from, bytes);
  }
  void CopyFromHost(void* to, const void* host, size_t bytes) override {
    const auto* const first = static_cast<const char*>(host);
    queue_.work.push_back([engine = device_->engine.get(), to, kept = std::vector<char>(first, first + bytes)] {
      engine->CopyFromHost(to, kept.data(), kept.size());
    });
  }
  void CopyOnDevice(void* to, const void* from, size_t bytes) override {
    queue_.work.push_back([=, engine = device_->engine.get()] { engine->CopyOnDevice(to, from, bytes); });
  }
  void FillZero(void* to, size_t bytes) override {
    queue_.work.push_back([=, engine = device_->engine.get()] { engine->FillZero(to, bytes); });
  }

  std::unique_ptr<autograd::Recording> Record(Work) override { autograd::Fail("Record", "a deferred stream cannot"); }

  std::unique_ptr<autograd::Stream> OpenBeside() override {
    return std::make_unique<DeferredStream>(device_, device_->queues.Open());
  }
  void WaitFor(autograd::Stream& other) override {
    const Queue& first = static_cast<DeferredStream&>(other).queue_;
    queue_.waits[queue_.work.size()] = {&first, first.work.size()};
    queue_.work.push_back([] {});
  }

 private:
  std::shared_ptr<Device> device_;
  Queue& queue_;
};

}  // namespace

std::unique_ptr<autograd::Stream> OpenDeferredStream(QueueOrder order, uint64_t seed) {
  const auto device = std::make_shared<Device>(order, seed);
  return std::make_unique<DeferredStream>(device, device->queues.owner());
}

}  // namespace cuda_emulator
