#pragma once

// The timer of the benchmarks in this folder.

#include <time.h>

#include <algorithm>
#include <functional>

namespace autograd {

// CPU time of the calling thread.
inline double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The least of several runs after one that is not counted, in CPU time of the calling thread.
inline double BestSeconds(const std::function<void()>& run) {
  run();
  double best = 1e9, total = 0;
  for (int repeat = 0; repeat < 5 || (total < 0.2 && repeat < 50); ++repeat) {
    const double start = ThreadSeconds();
    run();
    const double seconds = ThreadSeconds() - start;
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

}  // namespace autograd
