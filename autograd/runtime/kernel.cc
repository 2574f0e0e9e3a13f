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
  const AnyFunction known = EmulatedKernels().try_emplace(name, function).first->second;
  Require(known == function, name, "two kernels of the emulated device have this name");
  return true;
}

AnyFunction FindEmulatedKernel(const char* name) {
  const auto found = EmulatedKernels().find(name);
  return found == EmulatedKernels().end() ? nullptr : found->second;
}

}  // namespace autograd::internal
