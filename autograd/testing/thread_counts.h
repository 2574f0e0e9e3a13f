#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/runtime/parallel.h"

namespace autograd::testing {

// While it lives, regions use `count` threads; then as many as before, also where an exception ends the scope.
class ThreadCountScope {
 public:
  explicit ThreadCountScope(int count) : previous_(ThreadCount()) { SetThreadCount(count); }
  ~ThreadCountScope() { SetThreadCount(previous_); }
  ThreadCountScope(const ThreadCountScope&) = delete;
  ThreadCountScope& operator=(const ThreadCountScope&) = delete;

 private:
  int previous_;
};

// Calls `compute` with one thread and with each of `counts`. True if it gives as many arrays every time, at least one,
// with the same bits (same_bits.h); else the message says for which count which array differs, and where. An array
// proves something only if it is made of several pieces: large enough to be split at the grain of its ParallelFor.
::testing::AssertionResult SameForThreadCounts(const std::function<std::vector<Array>()>& compute,
                                               const std::vector<int>& counts = {3, 4});

}  // namespace autograd::testing
