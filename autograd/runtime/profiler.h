#pragma once

// Wall time by kernel, off by default, and how many of the host's threads worked in it on average. Kernel::operator()
// opens the scope, so every kernel is covered once.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

namespace autograd {

class Profiler {
 public:
  struct Entry {
    int64_t calls = 0;
    double seconds = 0;
    double work_seconds = 0;  // of all threads of the pool that ran its pieces
  };
  static void Enable(bool enabled);
  static bool enabled() { return enabled_.load(std::memory_order_relaxed); }
  static void Clear();
  static void Add(const char* name, double seconds, double work_seconds);
  static double Now();  // seconds
  // By the pool of threads (runtime/parallel.h) while the profiler is enabled: seconds in which another thread ran
  // pieces of a region, or (negative) in which the thread that opened it had none left and waited.
  static void AddBesides(double seconds) { besides_ += static_cast<int64_t>(1e9 * seconds); }
  static int64_t Besides() { return besides_.load(); }  // nanoseconds
  static std::map<std::string, Entry> Entries();
  // A table, the most costly kernel first, with its share of `total_seconds` and the number of threads that worked.
  static std::string Report(double total_seconds);

 private:
  static std::atomic<bool> enabled_;
  static std::atomic<int64_t> besides_;  // nanoseconds
};

class ProfileScope {
 public:
  explicit ProfileScope(const char* name) : name_(Profiler::enabled() ? name : nullptr) {
    if (name_ == nullptr) return;
    besides_ = Profiler::Besides();
    start_ = Profiler::Now();
  }
  ~ProfileScope() {
    if (name_ == nullptr) return;
    const double seconds = Profiler::Now() - start_;
    Profiler::Add(name_, seconds, seconds + 1e-9 * static_cast<double>(Profiler::Besides() - besides_));
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  const char* name_;
  double start_ = 0;
  int64_t besides_ = 0;
};

}  // namespace autograd
