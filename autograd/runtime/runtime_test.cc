#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "autograd/runtime/allocator.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/parallel.h"
#include "autograd/runtime/profiler.h"
#include "autograd/runtime/random.h"

namespace autograd {
namespace {

// Known-answer vectors published with the Random123 library (philox4x32-10).
TEST(PhiloxTest, KnownAnswers) {
  PhiloxWords zero = Philox(RandomKey(0, 0), 0);
  EXPECT_EQ(zero.x, 0x6627e8d5u);
  EXPECT_EQ(zero.y, 0xe169c58du);
  EXPECT_EQ(zero.z, 0xbc57ac4cu);
  EXPECT_EQ(zero.w, 0x9b00dbd8u);
  PhiloxWords ones = Philox(RandomKey(~0ull, ~0ull), ~0ull);
  EXPECT_EQ(ones.x, 0x408f276du);
  EXPECT_EQ(ones.y, 0x41c83b0eu);
  EXPECT_EQ(ones.z, 0xa20bc7c6u);
  EXPECT_EQ(ones.w, 0x6d5451fdu);
}

TEST(RandomKeyTest, SplitsDiffer) {
  RandomKey key(7);
  EXPECT_FALSE(key.Split(uint64_t{0}) == key.Split(1));
  EXPECT_FALSE(key.Split("dropout") == key.Split("order"));
  EXPECT_TRUE(key.Split("dropout") == RandomKey(7).Split("dropout"));
}

TEST(RandomKeyTest, NormalMoments) {
  double sum = 0, squares = 0;
  constexpr int kPairs = 100000;
  for (int i = 0; i < kPairs; ++i) {
    float a, b;
    StandardNormalPair(RandomKey(3), i, &a, &b);
    sum += a + b;
    squares += a * a + b * b;
  }
  // Five standard errors; a square's variance is 2.
  EXPECT_NEAR(sum / (2 * kPairs), 0, 5 / std::sqrt(2.0 * kPairs));
  EXPECT_NEAR(squares / (2 * kPairs), 1, 5 * std::sqrt(2 / (2.0 * kPairs)));
}

TEST(BFloat16Test, RoundsToNearestEven) {
  EXPECT_EQ(BFloat16(1.0f).bits, 0x3F80);
  EXPECT_EQ(BFloat16(1.00390625f).bits, 0x3F80);  // half way, to even
  EXPECT_EQ(BFloat16(1.01171875f).bits, 0x3F82);  // half way, to even, upwards
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::numeric_limits<float>::quiet_NaN()))));
  EXPECT_TRUE(std::isinf(static_cast<float>(BFloat16(std::numeric_limits<float>::infinity()))));
}

TEST(AllocatorTest, ReusesBlocksAndCountsByOperation) {
  class Heap : public MemorySource {
   public:
    void* Reserve(size_t bytes) override {
      return used + bytes > 1 << 20 ? nullptr : (used += bytes, ::operator new(bytes));
    }
    void Release(void* pointer, size_t bytes) override {
      used -= bytes;
      ::operator delete(pointer);
    }
    size_t used = 0;
  } heap;
  Allocator allocator(&heap, Device{});
  {
    OperationScope scope("First");
    Allocator::Block a = allocator.Allocate(1000);
    EXPECT_GE(a.bytes, 1000u);
    EXPECT_LE(a.bytes, 1125u);
    EXPECT_EQ(allocator.Statistics().live_by_operation.at("First"), static_cast<int64_t>(a.bytes));
    void* pointer = a.pointer;
    allocator.Free(a);
    Allocator::Block b = allocator.Allocate(990);
    EXPECT_EQ(b.pointer, pointer);
    allocator.Free(b);
  }
  EXPECT_EQ(allocator.Statistics().reservations, 1);
  EXPECT_EQ(allocator.Statistics().live_bytes, 0);
  Allocator::Block big = allocator.Allocate(900 << 10);
  allocator.Free(big);
  Allocator::Block other = allocator.Allocate(700 << 10);  // only fits after the cached block was given back
  try {
    OperationScope scope("Greedy");
    allocator.Allocate(800 << 10);
    FAIL() << "the source has 1 MiB";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("Greedy: out of memory on cpu"), std::string::npos) << error.what();
  }
  allocator.Free(other);
}

TEST(ParallelTest, CoversTheRangeOnce) {
  for (int threads : {1, 2, 5}) {
    SetThreadCount(threads);
    for (int64_t count : {0, 1, 7, 1000}) {
      std::vector<std::atomic<int>> hits(count);
      ParallelFor(count, 3, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[i];
      });
      for (auto& hit : hits) EXPECT_EQ(hit.load(), 1);
    }
  }
  SetThreadCount(2);
}

TEST(ParallelTest, EvenPiecesAreNoMoreThanAsked) {
  const std::vector<int64_t> expected = {1, 1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 16};
  for (size_t count = 0; count < expected.size(); ++count) {
    EXPECT_EQ(EvenPieces(static_cast<int64_t>(count)), expected[count]) << count;
  }
}

// Two pieces that wait for one another are two threads' work; what opens no region is one thread's.
TEST(ParallelTest, TheProfilerCountsTheThreadsThatWork) {
  SetThreadCount(2);
  Profiler::Clear();
  Profiler::Enable(true);
  {
    ProfileScope scope("alone");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  {
    ProfileScope scope("both");
    std::atomic<int> arrived{0};
    ParallelPieces(2, [&](int64_t) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  }
  Profiler::Enable(false);
  const std::map<std::string, Profiler::Entry> entries = Profiler::Entries();
  Profiler::Clear();
  EXPECT_EQ(entries.at("alone").work_seconds, entries.at("alone").seconds);
  EXPECT_GT(entries.at("both").work_seconds, entries.at("both").seconds);
  EXPECT_LE(entries.at("both").work_seconds, 2 * entries.at("both").seconds);
}

TEST(ParallelTest, RethrowsAndStaysUsable) {
  SetThreadCount(4);
  EXPECT_THROW(ParallelPieces(8,
                              [](int64_t piece) {
                                if (piece == 5) throw std::runtime_error("five");
                              }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  ParallelPieces(8, [&](int64_t piece) {
    ParallelFor(10, 1, [&](int64_t begin, int64_t end) { sum += (end - begin) * piece; });  // nested: runs in place
  });
  EXPECT_EQ(sum.load(), 280);
  SetThreadCount(2);
}

TEST(ParallelTest, SerialScopeStaysOnItsThread) {
  SetThreadCount(4);
  const auto threads_of = [] {
    std::mutex mutex;
    std::set<std::thread::id> ids;
    ParallelPieces(64, [&](int64_t) {
      std::lock_guard<std::mutex> lock(mutex);
      ids.insert(std::this_thread::get_id());
    });
    ParallelFor(1 << 16, 1, [&](int64_t, int64_t) {
      std::lock_guard<std::mutex> lock(mutex);
      ids.insert(std::this_thread::get_id());
    });
    return ids;
  };
  const std::set<std::thread::id> here{std::this_thread::get_id()};
  {
    SerialScope serial;
    { SerialScope nested; }
    EXPECT_EQ(ThreadCount(), 1);
    EXPECT_EQ(threads_of(), here);
    // The scope is this thread's only: another thread still shares its work, and may do so while this one computes.
    std::set<std::thread::id> elsewhere;
    std::thread other([&] {
      std::atomic<int> arrived{0};
      ParallelPieces(2, [&](int64_t) {  // ends only when two threads are in it
        ++arrived;
        while (arrived.load() < 2) std::this_thread::yield();
      });
      elsewhere = threads_of();
    });
    other.join();
    EXPECT_EQ(elsewhere.count(std::this_thread::get_id()), 0u);
    EXPECT_THROW(ParallelPieces(3, [](int64_t) { throw std::runtime_error("out"); }), std::runtime_error);
  }
  EXPECT_EQ(ThreadCount(), 4);
  std::atomic<int> arrived{0};
  ParallelPieces(2, [&](int64_t) {
    ++arrived;
    while (arrived.load() < 2) std::this_thread::yield();
  });
  SetThreadCount(2);
}

TEST(ParallelTest, SerialThreadsDoNotWaitForEachOther) {
  // Each thread's region ends only when the other thread's has begun: with one region at a time this would not end.
  std::atomic<int> begun{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      SerialScope serial;
      ParallelPieces(4, [&](int64_t piece) {
        if (piece == 0) ++begun;
        while (begun.load() < 2) std::this_thread::yield();
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(begun.load(), 2);
}

TEST(KernelTest, MissingBackendIsAnError) {
  static constexpr Kernel<void(Stream&, int)> kernel("Nothing", nullptr, nullptr);
  EXPECT_THROW(kernel(Stream::Cpu(), 1), Error);
}

}  // namespace
}  // namespace autograd
