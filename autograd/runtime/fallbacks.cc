#include "autograd/runtime/fallbacks.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace autograd {
namespace {

struct Counts {
  std::mutex mutex;
  std::map<std::string, int64_t> calls;
};
Counts& Process() {
  static auto* const counts = new Counts();
  return *counts;
}

}  // namespace

void CountFallback(const std::string& what) {
  Counts& counts = Process();
  std::lock_guard<std::mutex> lock(counts.mutex);
  ++counts.calls[what];
}

std::map<std::string, int64_t> Fallbacks() {
  Counts& counts = Process();
  std::lock_guard<std::mutex> lock(counts.mutex);
  return counts.calls;
}

std::string FallbackReport() {
  std::vector<std::pair<int64_t, std::string>> lines;
  for (const auto& [what, calls] : Fallbacks()) lines.push_back({-calls, what});
  std::sort(lines.begin(), lines.end());
  std::string report;
  for (const auto& [calls, what] : lines) report += std::to_string(-calls) + "  " + what + "\n";
  return report.empty() ? "" : "calls that went to our own kernels in place of a library:\n" + report;
}

}  // namespace autograd
