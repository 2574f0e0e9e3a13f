#pragma once

// KERNEL(Name, void(Stream&, const Array& x, Array& y)) declares one kernel: the same function type in the namespaces
// `cpu` and `cuda` of the namespace where it stands, such as autograd::cpu, and `kernels::Name`, which calls the one
// for the stream's device. A backend that is not written is a link error; an argument that differs a compile error. In
// a build without CUDA the CUDA side is null and calling it is an Error. This is the only #if on the backend.
//
// With CUDA_EMULATOR the source is a *_cuda.cu compiled as C++ for the emulator (autograd/testing/emulator):
// tools/emulated_library.bzl renames every namespace `cuda`, so that these functions stand beside those of nvcc, and
// each makes itself known by its kernel's name, which is therefore one in the whole program.

#include <type_traits>

#include "autograd/runtime/error.h"
#include "autograd/runtime/profiler.h"
#include "autograd/runtime/stream.h"

namespace autograd {

namespace internal {
using AnyFunction = void (*)();
// Returns true, for the initialiser of a variable.
bool AddEmulatedKernel(const char* name, AnyFunction function);
// Null when none was linked.
AnyFunction FindEmulatedKernel(const char* name);
}  // namespace internal

template <typename Signature>
class Kernel;

template <typename... Arguments>
class Kernel<void(Stream&, Arguments...)> {
 public:
  using Function = void(Stream&, Arguments...);
  constexpr Kernel(const char* name, Function* cpu, Function* cuda) : name_(name), cpu_(cpu), cuda_(cuda) {}

  void operator()(Stream& stream, Arguments... arguments) const {
    Function* const function = For(stream.device().type);
    if (function == nullptr) [[unlikely]] {
      Fail(name_, "has no kernel for device ", stream.device(), " in this build");
    }
    ProfileScope scope(name_);
    function(stream, static_cast<Arguments>(arguments)...);
    // A device runs on by itself; its share of the time shows only when somebody waits for it.
    if (Profiler::enabled()) [[unlikely]] {
      stream.Synchronize();
    }
  }

 private:
  Function* For(DeviceType type) const {
    if (type == DeviceType::kCpu) return cpu_;
    if (type == DeviceType::kCuda) return cuda_;
    return reinterpret_cast<Function*>(internal::FindEmulatedKernel(name_));
  }

  const char* name_;
  Function* cpu_;
  Function* cuda_;
};

}  // namespace autograd

#if defined(CUDA_EMULATOR)
#define KERNEL(Name, ...)                                                                                         \
  namespace cpu {                                                                                                 \
  std::type_identity_t<__VA_ARGS__> Name;                                                                         \
  }                                                                                                               \
  namespace cuda {                                                                                                \
  std::type_identity_t<__VA_ARGS__> Name;                                                                         \
  inline const bool is_known_##Name =                                                                             \
      ::autograd::internal::AddEmulatedKernel(#Name, reinterpret_cast<::autograd::internal::AnyFunction>(&Name)); \
  }                                                                                                               \
  static_assert(true)
#elif defined(WITH_CUDA)
#define KERNEL(Name, ...)                                                                \
  namespace cpu {                                                                        \
  std::type_identity_t<__VA_ARGS__> Name;                                                \
  }                                                                                      \
  namespace cuda {                                                                       \
  std::type_identity_t<__VA_ARGS__> Name;                                                \
  }                                                                                      \
  namespace kernels {                                                                    \
  inline constexpr ::autograd::Kernel<__VA_ARGS__> Name(#Name, &cpu::Name, &cuda::Name); \
  }                                                                                      \
  static_assert(true)
#else
#define KERNEL(Name, ...)                                                            \
  namespace cpu {                                                                    \
  std::type_identity_t<__VA_ARGS__> Name;                                            \
  }                                                                                  \
  namespace kernels {                                                                \
  inline constexpr ::autograd::Kernel<__VA_ARGS__> Name(#Name, &cpu::Name, nullptr); \
  }                                                                                  \
  static_assert(true)
#endif
