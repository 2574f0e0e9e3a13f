#pragma once

// What AddressSanitizer has to be told: which memory is out of bounds, and that a fiber changes the stack. Nothing
// without it.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define CUDA_EMULATOR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDA_EMULATOR_ASAN 1
#endif
#endif

#ifdef CUDA_EMULATOR_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_emulator {

struct StackBounds {
  const void* bottom = nullptr;
  size_t bytes = 0;
};

#ifdef CUDA_EMULATOR_ASAN
inline void Poison(const void* address, size_t bytes) { __asan_poison_memory_region(address, bytes); }
inline void Unpoison(const void* address, size_t bytes) { __asan_unpoison_memory_region(address, bytes); }

// Before a switch to the stack `target`; `save` is null when the stack that is left will not be used again.
inline void BeforeSwitch(void** save, StackBounds target) {
  __sanitizer_start_switch_fiber(save, target.bottom, target.bytes);
}
// After it, on the new stack, with what was saved when that one was left (null the first time). Returns the stack that
// was left.
inline StackBounds AfterSwitch(void* saved) {
  StackBounds left;
  __sanitizer_finish_switch_fiber(saved, &left.bottom, &left.bytes);
  return left;
}
#else
inline void Poison(const void*, size_t) {}
inline void Unpoison(const void*, size_t) {}
inline void BeforeSwitch(void**, StackBounds) {}
inline StackBounds AfterSwitch(void*) { return {}; }
#endif

}  // namespace cuda_emulator
