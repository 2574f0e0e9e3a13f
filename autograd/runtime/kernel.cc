#include "autograd/runtime/kernel.h"

#include <map>
#include <string>

namespace autograd::internal {
namespace {

// Written while the program's static variables are made, read afterwards.
std::map<std::string, AnyFunction>& EmulatedKernels() {
  static auto* kernels = new std::map<std::string, AnyFunction>();
  return *kernels;
}

}  // namespace

bool AddEmulatedKernel(const char* name, AnyFunction function) {
  EmulatedKernels()[name] = function;
  return true;
}

AnyFunction FindEmulatedKernel(const char* name) {
  const auto found = EmulatedKernels().find(name);
  return found == EmulatedKernels().end() ? nullptr : found->second;
}

}  // namespace autograd::internal
