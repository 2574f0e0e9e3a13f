#include "autograd/testing/emulator/emulator.h"

#include <sys/mman.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/runtime/error.h"
#include "autograd/testing/emulator/emulated_device.h"
#include "autograd/testing/emulator/fiber.h"
#include "autograd/testing/emulator/sanitizer.h"

namespace cuda_emulator {
namespace {

using autograd::Fail;
using autograd::Require;

constexpr int kLanes = 32;
constexpr size_t kStackBytes = size_t{256} << 10;
constexpr size_t kSharedBytes = size_t{48} << 10;  // what a block may declare statically
constexpr size_t kRedzone = 64;

enum class State { kReady, kAtBlockBarrier, kAtWarpBarrier, kReturned };

struct Fiber {
  Context context;
  char* stack = nullptr;
  Thread thread;
  int warp = 0, lane = 0;
  State state = State::kReady;
  unsigned mask = 0;  // of the warp barrier it waits at
  void* saved_by_sanitizer = nullptr;
};

struct Slot {
  alignas(16) unsigned char bytes[16];
};

// Stacks are mapped once a thread of the host and used again by every launch.
class Stacks {
 public:
  ~Stacks() {
    for (char* stack : stacks_) munmap(stack, kStackBytes);
  }
  char* Get(size_t index) {
    while (stacks_.size() <= index) {
      void* stack =
          mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      Require(stack != MAP_FAILED, "cuda emulator", "no memory for the stack of a thread");
      stacks_.push_back(static_cast<char*>(stack));
    }
    return stacks_[index];
  }

 private:
  std::vector<char*> stacks_;
};

class Block {
 public:
  Block(const std::function<void()>& kernel, Index block, Index grid, ThreadOrder order, Stacks& stacks)
      : kernel_(kernel), order_(order), fibers_(size_t{block.x} * block.y * block.z), shared_(kSharedBytes) {
    size_t i = 0;
    for (unsigned z = 0; z < block.z; ++z) {
      for (unsigned y = 0; y < block.y; ++y) {
        for (unsigned x = 0; x < block.x; ++x, ++i) {
          fibers_[i].thread = {Index(x, y, z), Index(), block, grid};
          fibers_[i].warp = static_cast<int>(i / kLanes);
          fibers_[i].lane = static_cast<int>(i % kLanes);
          fibers_[i].stack = stacks.Get(i);
        }
      }
    }
    warps_.resize((fibers_.size() + kLanes - 1) / kLanes);
  }
  ~Block() { Unpoison(shared_.data(), shared_.size()); }

  void Run(Index index);
  void Wait(State state, unsigned mask) {
    running_->state = state;
    running_->mask = mask;
    SwitchToScheduler(false);
  }
  const Fiber& running() const { return *running_; }
  Slot& slot(int lane) { return warps_[running_->warp].slots[lane]; }
  bool HasReturned(int lane) const {
    const size_t i = static_cast<size_t>(running_->warp) * kLanes + lane;
    return i >= fibers_.size() || fibers_[i].state == State::kReturned;
  }
  void* Shared(const char* file, int line, size_t bytes);
  bool IsShared(const void* address) const {
    const auto* const byte = static_cast<const unsigned char*>(address);
    return std::greater_equal<>()(byte, shared_.data()) && std::less<>()(byte, shared_.data() + shared_.size());
  }
  void RunFiber();

 private:
  struct Warp {
    Slot slots[kLanes];
  };
  struct Declaration {
    const char* file;
    int line;
    size_t bytes, offset;
  };

  void Resume(Fiber& fiber);
  void SwitchToScheduler(bool returned);
  bool ReleaseBarriers();
  std::string Where() const;

  const std::function<void()>& kernel_;
  ThreadOrder order_;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  std::vector<unsigned char> shared_;
  std::vector<Declaration> declarations_;
  size_t shared_used_ = 0;
  Context scheduler_;
  void* saved_by_sanitizer_ = nullptr;
  StackBounds scheduler_stack_;
  Fiber* running_ = nullptr;
  std::exception_ptr error_;
};

thread_local Block* current_block = nullptr;
thread_local ThreadOrder thread_order = ThreadOrder::kForward;
thread_local int current_device = 0;
thread_local std::vector<std::function<void()>>* current_recording = nullptr;

void Enter() { current_block->RunFiber(); }

void Block::RunFiber() {
  scheduler_stack_ = AfterSwitch(nullptr);
  try {
    kernel_();
  } catch (...) {
    if (!error_) error_ = std::current_exception();
  }
  running_->state = State::kReturned;
  SwitchToScheduler(true);
}

void Block::SwitchToScheduler(bool returned) {
  Fiber& fiber = *running_;
  BeforeSwitch(returned ? nullptr : &fiber.saved_by_sanitizer, scheduler_stack_);
  SwitchContext(fiber.context, scheduler_);
  scheduler_stack_ = AfterSwitch(fiber.saved_by_sanitizer);
}

void Block::Resume(Fiber& fiber) {
  running_ = &fiber;
  BeforeSwitch(&saved_by_sanitizer_, {fiber.stack, kStackBytes});
  SwitchContext(scheduler_, fiber.context);
  AfterSwitch(saved_by_sanitizer_);
}

// True when somebody may go on.
bool Block::ReleaseBarriers() {
  bool released = false;
  for (size_t first = 0; first < fibers_.size(); first += kLanes) {
    const size_t last = std::min(fibers_.size(), first + kLanes);
    for (size_t i = first; i < last; ++i) {
      if (fibers_[i].state != State::kAtWarpBarrier) continue;
      const unsigned mask = fibers_[i].mask;
      bool all = true;
      for (size_t k = first; k < last; ++k) {
        if ((mask >> (k - first) & 1) == 0 || fibers_[k].state == State::kReturned) continue;
        all = all && fibers_[k].state == State::kAtWarpBarrier && fibers_[k].mask == mask;
      }
      if (!all) continue;
      for (size_t k = first; k < last; ++k) {
        if ((mask >> (k - first) & 1) != 0 && fibers_[k].state == State::kAtWarpBarrier)
          fibers_[k].state = State::kReady;
      }
      released = true;
    }
  }
  if (released) return true;
  if (std::any_of(fibers_.begin(), fibers_.end(),
                  [](const Fiber& fiber) { return fiber.state == State::kAtWarpBarrier; })) {
    return false;
  }
  for (Fiber& fiber : fibers_) {
    if (fiber.state != State::kAtBlockBarrier) continue;
    fiber.state = State::kReady;
    released = true;
  }
  return released;
}

std::string Block::Where() const {
  const auto count = [&](State state) {
    return std::to_string(
        std::count_if(fibers_.begin(), fibers_.end(), [state](const Fiber& fiber) { return fiber.state == state; }));
  };
  return count(State::kAtBlockBarrier) + " threads at __syncthreads, " + count(State::kAtWarpBarrier) +
         " at warp operations, " + count(State::kReturned) + " returned";
}

void Block::Run(Index index) {
  shared_used_ = 0;
  declarations_.clear();
  Unpoison(shared_.data(), shared_.size());
  std::fill(shared_.begin(), shared_.end(), 0xFF);
  Poison(shared_.data(), shared_.size());
  for (Fiber& fiber : fibers_) {
    fiber.thread.block_index = index;
    fiber.state = State::kReady;
    Unpoison(fiber.stack, kStackBytes);  // the frames of the thread that had it before are gone
    PrepareContext(fiber.context, fiber.stack, kStackBytes, Enter);
  }
  const auto count = static_cast<std::ptrdiff_t>(fibers_.size());
  bool unfinished = true;
  while (unfinished) {
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      Fiber& fiber = fibers_[order_ == ThreadOrder::kForward ? i : count - 1 - i];
      if (fiber.state == State::kReady) Resume(fiber);
      if (error_) std::rethrow_exception(error_);
    }
    unfinished =
        std::any_of(fibers_.begin(), fibers_.end(), [](const Fiber& fiber) { return fiber.state != State::kReturned; });
    if (unfinished && !ReleaseBarriers())
      Fail("cuda emulator", "the threads of a block wait for one another at different barriers: ", Where());
  }
}

void* Block::Shared(const char* file, int line, size_t bytes) {
  for (const Declaration& known : declarations_) {
    if (known.file == file && known.line == line && known.bytes == bytes) return shared_.data() + known.offset;
  }
  const size_t offset = shared_used_;
  shared_used_ += (bytes + kRedzone - 1) / kRedzone * kRedzone + kRedzone;
  Require(shared_used_ <= kSharedBytes, "cuda emulator", "a block declares more than ", kSharedBytes,
          " bytes of shared memory, borders of ", kRedzone, " bytes included");
  declarations_.push_back({file, line, bytes, offset});
  Unpoison(shared_.data() + offset, bytes);
  return shared_.data() + offset;
}

}  // namespace

const Thread& CurrentThread() { return current_block->running().thread; }
int Lane() { return current_block->running().lane; }

bool IsValid(Index grid, Index block) {
  const auto threads = uint64_t{block.x} * block.y * block.z;
  return threads > 0 && threads <= 1024 && block.z <= 64 && grid.x > 0 && grid.x <= 0x7FFFFFFFu && grid.y > 0 &&
         grid.y <= 65535 && grid.z > 0 && grid.z <= 65535;
}

int CurrentDevice() { return current_device; }
void SetCurrentDevice(int device) { current_device = device; }

void SetThreadOrder(ThreadOrder order) { thread_order = order; }

void SetRecording(std::vector<std::function<void()>>* recording) { current_recording = recording; }
bool Recorded(std::function<void()> work) {
  if (current_recording == nullptr) return false;
  current_recording->push_back(std::move(work));
  return true;
}

void RunKernel(Index grid, Index block, const std::function<void()>& kernel) {
  static thread_local Stacks stacks;
  const DeviceMemoryAccess access;
  Block running(kernel, block, grid, thread_order, stacks);
  struct Restore {
    ~Restore() { current_block = nullptr; }
  } restore;
  current_block = &running;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t k = thread_order == ThreadOrder::kForward ? i : blocks - 1 - i;
    running.Run(Index(static_cast<unsigned>(k % grid.x), static_cast<unsigned>(k / grid.x % grid.y),
                      static_cast<unsigned>(k / grid.x / grid.y)));
  }
}

void BlockBarrier() { current_block->Wait(State::kAtBlockBarrier, 0); }

void WarpBarrier(unsigned mask) {
  const Fiber& fiber = current_block->running();
  Require((mask >> fiber.lane & 1) != 0, "cuda emulator", "lane ", fiber.lane, " is not in its own mask");
  current_block->Wait(State::kAtWarpBarrier, mask);
}

void ExchangeBytes(unsigned mask, const void* value, size_t bytes, int source, void* result) {
  Block& block = *current_block;
  std::memcpy(block.slot(block.running().lane).bytes, value, bytes);
  WarpBarrier(mask);
  Require(source >= 0 && source < kLanes && (mask >> source & 1) != 0 && !block.HasReturned(source), "cuda emulator",
          "lane ", block.running().lane, " reads lane ", source, ", which takes no part in the operation");
  std::memcpy(result, block.slot(source).bytes, bytes);
  WarpBarrier(mask);
}

unsigned Ballot(unsigned mask, bool predicate) {
  Block& block = *current_block;
  block.slot(block.running().lane).bytes[0] = predicate ? 1 : 0;
  WarpBarrier(mask);
  unsigned votes = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    if ((mask >> lane & 1) != 0 && !block.HasReturned(lane)) votes |= unsigned{block.slot(lane).bytes[0]} << lane;
  }
  WarpBarrier(mask);
  return votes;
}

void* SharedBytes(const char* file, int line, size_t bytes) { return current_block->Shared(file, line, bytes); }

bool IsGlobal(const void* address) { return current_block == nullptr || !current_block->IsShared(address); }

}  // namespace cuda_emulator
