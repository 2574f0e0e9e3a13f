#include "autograd/runtime/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "autograd/runtime/profiler.h"

namespace autograd {
namespace {

thread_local bool runs_alone = false;  // inside a region's piece, or under a SerialScope

int AvailableCores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

// Workers sleep on a condition variable after a short spin: a training step is thousands of short regions, and waking a
// sleeping thread costs more than many of them. For the same reason nobody waits for a worker that comes late, because
// it slept or its core had other work: the others do its pieces, and it finds the region closed.
class Pool {
 public:
  explicit Pool(int threads) : threads_(threads) {
    for (int i = 1; i < threads_; ++i) workers_.emplace_back([this] { Work(); });
  }

  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int threads() const { return threads_; }

  void Run(int64_t pieces, const std::function<void(int64_t)>& body) {
    std::lock_guard<std::mutex> one_region_at_a_time(region_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = &body;
      pieces_ = pieces;
      next_.store(0, std::memory_order_relaxed);
      open_ = true;
      generation_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    Drain();
    const double drained = Profiler::enabled() ? Profiler::Now() : 0;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      open_ = false;
    }
    for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin > 2000) std::this_thread::yield();
    }
    if (drained != 0) Profiler::AddBesides(drained - Profiler::Now());
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  void Drain() {
    runs_alone = true;
    for (int64_t piece; (piece = next_.fetch_add(1)) < pieces_;) {
      try {
        (*body_)(piece);
      } catch (...) {
        std::lock_guard<std::mutex> lock(failure_mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
    runs_alone = false;
  }

  void Work() {
    uint64_t seen = 0;
    while (true) {
      for (int spin = 0; spin < 4000 && generation_.load(std::memory_order_acquire) == seen; ++spin) {
        __builtin_ia32_pause();
      }
      if (generation_.load(std::memory_order_acquire) == seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load() != seen; });
      }
      {
        std::lock_guard<std::mutex> lock(mutex_);
        seen = generation_.load(std::memory_order_relaxed);
        if (stopping_) return;
        if (!open_) continue;
        busy_.fetch_add(1, std::memory_order_relaxed);
      }
      const double start = Profiler::enabled() ? Profiler::Now() : 0;
      Drain();
      if (start != 0) Profiler::AddBesides(Profiler::Now() - start);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  const int threads_;
  std::vector<std::thread> workers_;
  std::mutex region_, mutex_, failure_mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};  // workers in the open region, or still in the one that was just closed
  std::atomic<bool> stopping_{false};
  bool open_ = false;  // under mutex_
  int64_t pieces_ = 0;
  const std::function<void(int64_t)>* body_ = nullptr;
  std::exception_ptr failure_;
};

std::mutex pool_mutex;
std::unique_ptr<Pool>& PoolSlot() {
  static auto* slot = new std::unique_ptr<Pool>();
  return *slot;
}
std::atomic<int> thread_count{0};

Pool& GetPool() {
  std::lock_guard<std::mutex> lock(pool_mutex);
  std::unique_ptr<Pool>& pool = PoolSlot();
  if (!pool || pool->threads() != ThreadCount()) {
    pool.reset();
    pool = std::make_unique<Pool>(ThreadCount());
  }
  return *pool;
}

}  // namespace

SerialScope::SerialScope() : previous_(std::exchange(runs_alone, true)) {}
SerialScope::~SerialScope() { runs_alone = previous_; }

int ThreadCount() {
  if (runs_alone) return 1;
  int count = thread_count.load(std::memory_order_relaxed);
  if (count == 0) {
    count = AvailableCores();
    thread_count.store(count, std::memory_order_relaxed);
  }
  return count;
}

void SetThreadCount(int count) { thread_count.store(std::max(1, count), std::memory_order_relaxed); }

void ParallelPieces(int64_t pieces, const std::function<void(int64_t)>& body) {
  if (pieces <= 1 || ThreadCount() == 1) {
    for (int64_t piece = 0; piece < pieces; ++piece) body(piece);
    return;
  }
  GetPool().Run(pieces, body);
}

void ParallelFor(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  const int64_t pieces =
      std::min<int64_t>(ThreadCount(), (count + std::max<int64_t>(1, grain) - 1) / std::max<int64_t>(1, grain));
  if (pieces <= 1) {
    body(0, count);
    return;
  }
  ParallelPieces(pieces, [&](int64_t piece) {
    const int64_t begin = count * piece / pieces, end = count * (piece + 1) / pieces;
    if (begin < end) body(begin, end);
  });
}

}  // namespace autograd
