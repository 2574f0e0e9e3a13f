#pragma once

// Wall time by kernel, off by default. Kernel::operator() opens the scope, so every kernel is covered once.

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
  };
  static void Enable(bool enabled);
  static bool enabled() { return enabled_.load(std::memory_order_relaxed); }
  static void Clear();
  static void Add(const char* name, double seconds);
  static std::map<std::string, Entry> Entries();
  // A table, the most costly kernel first, with its share of `total_seconds`.
  static std::string Report(double total_seconds);

 private:
  static std::atomic<bool> enabled_;
};

class ProfileScope {
 public:
  explicit ProfileScope(const char* name) : name_(Profiler::enabled() ? name : nullptr) {
    if (name_ != nullptr) start_ = Now();
  }
  ~ProfileScope() {
    if (name_ != nullptr) Profiler::Add(name_, Now() - start_);
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  static double Now();
  const char* name_;
  double start_ = 0;
};

}  // namespace autograd
