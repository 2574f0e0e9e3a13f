#pragma once

// KERNEL(Name, void(Stream&, const Array& x, Array& y)) declares one kernel: the same function type in the namespaces
// `autograd::cpu` and `autograd::cuda`, and `autograd::kernels::Name`, which calls the one for the stream's device.
// Use it in namespace autograd. A backend that is not written is a link error; an argument that differs a compile error.
// In a build without CUDA the CUDA side is null and calling it is an Error. This is the only #if on the backend.
//
// KERNEL_CPU_ONLY declares the CPU side alone, for kernels whose CUDA twin does not exist yet.

#include <type_traits>

#include "autograd/runtime/error.h"
#include "autograd/runtime/profiler.h"
#include "autograd/runtime/stream.h"

namespace autograd {

template <typename Signature>
class Kernel;

template <typename... Arguments>
class Kernel<void(Stream&, Arguments...)> {
 public:
  using Function = void(Stream&, Arguments...);
  constexpr Kernel(const char* name, Function* cpu, Function* cuda) : name_(name), cpu_(cpu), cuda_(cuda) {}

  void operator()(Stream& stream, Arguments... arguments) const {
    Function* const function = stream.device().type == DeviceType::kCpu ? cpu_ : cuda_;
    if (function == nullptr) [[unlikely]] {
      Fail(name_, "has no kernel for device ", stream.device(), " in this build");
    }
    ProfileScope scope(name_);
    function(stream, static_cast<Arguments>(arguments)...);
  }

 private:
  const char* name_;
  Function* cpu_;
  Function* cuda_;
};

}  // namespace autograd

#ifdef WITH_CUDA
#define KERNEL(Name, ...)                                                                                        \
  namespace cpu {                                                                                                \
  std::type_identity_t<__VA_ARGS__> Name;                                                                        \
  }                                                                                                              \
  namespace cuda {                                                                                               \
  std::type_identity_t<__VA_ARGS__> Name;                                                                        \
  }                                                                                                              \
  namespace kernels {                                                                                            \
  inline constexpr ::autograd::Kernel<__VA_ARGS__> Name(#Name, &::autograd::cpu::Name, &::autograd::cuda::Name); \
  }                                                                                                              \
  static_assert(true)
#else
#define KERNEL(Name, ...) KERNEL_CPU_ONLY(Name, __VA_ARGS__)
#endif

#define KERNEL_CPU_ONLY(Name, ...)                                                               \
  namespace cpu {                                                                                \
  std::type_identity_t<__VA_ARGS__> Name;                                                        \
  }                                                                                              \
  namespace kernels {                                                                            \
  inline constexpr ::autograd::Kernel<__VA_ARGS__> Name(#Name, &::autograd::cpu::Name, nullptr); \
  }                                                                                              \
  static_assert(true)
