#pragma once

// Calls that were meant for a library of CUDA's and went to our own kernels, which are right and many times slower:
// counted for the whole process, by what was to be computed and why it was not.

#include <cstdint>
#include <map>
#include <string>

namespace autograd {

void CountFallback(const std::string& what);
std::map<std::string, int64_t> Fallbacks();
// A line for each, the most frequent first; "" when there are none.
std::string FallbackReport();

}  // namespace autograd
