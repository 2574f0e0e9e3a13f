#include "autograd/runtime/profiler.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

namespace autograd {
namespace {
std::mutex mutex;
std::map<std::string, Profiler::Entry>& Table() {
  static auto* table = new std::map<std::string, Profiler::Entry>();
  return *table;
}
}  // namespace

std::atomic<bool> Profiler::enabled_{false};
std::atomic<int64_t> Profiler::besides_{0};

void Profiler::Enable(bool enabled) { enabled_.store(enabled, std::memory_order_relaxed); }

void Profiler::Clear() {
  std::lock_guard<std::mutex> lock(mutex);
  Table().clear();
}

void Profiler::Add(const char* name, double seconds, double work_seconds) {
  std::lock_guard<std::mutex> lock(mutex);
  Entry& entry = Table()[name];
  ++entry.calls;
  entry.seconds += seconds;
  entry.work_seconds += work_seconds;
}

std::map<std::string, Profiler::Entry> Profiler::Entries() {
  std::lock_guard<std::mutex> lock(mutex);
  return Table();
}

std::string Profiler::Report(double total_seconds) {
  std::vector<std::pair<std::string, Entry>> rows;
  for (const auto& row : Entries()) rows.push_back(row);
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  std::string text = "kernel                              calls   total ms    share  threads\n";
  double covered = 0;
  char line[160];
  for (const auto& [name, entry] : rows) {
    covered += entry.seconds;
    std::snprintf(line, sizeof(line), "%-34s %6lld %10.2f  %6.1f %%  %7.2f\n", name.c_str(),
                  static_cast<long long>(entry.calls), 1e3 * entry.seconds, 100.0 * entry.seconds / total_seconds,
                  entry.work_seconds / entry.seconds);
    text += line;
  }
  std::snprintf(line, sizeof(line), "%-34s %6s %10.2f  %6.1f %%\n", "outside kernels", "",
                1e3 * (total_seconds - covered), 100.0 * (total_seconds - covered) / total_seconds);
  return text + line;
}

double Profiler::Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace autograd
