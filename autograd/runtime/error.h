#pragma once

// Misuse by the programmer (shape, dtype, device) throws one Error that names the operation and the operands.
// What a user can cause (files, flags, data) is an absl::Status instead and never gets here.

#include <sstream>
#include <stdexcept>
#include <string>

namespace autograd {

class Error : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Throws Error("operation: part1part2…").
template <typename... Parts>
[[noreturn]] void Fail(const char* operation, const Parts&... parts) {
  std::ostringstream message;
  message << operation << ": ";
  (message << ... << parts);
  throw Error(message.str());
}

template <typename... Parts>
inline void Require(bool condition, const char* operation, const Parts&... parts) {
  if (!condition) [[unlikely]] {
    Fail(operation, parts...);
  }
}

}  // namespace autograd
