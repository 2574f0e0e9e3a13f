#pragma once

// A stack of its own that can be left and entered again. ucontext would do, but asks the kernel to swap signal masks at
// every switch: half of an emulated kernel's time.

#include <cstddef>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_emulator {

#if defined(__x86_64__)
// Where a context stopped: its registers lie on its own stack.
struct Context {
  void* stack_pointer = nullptr;
};
#else
struct Context {
  ucontext_t registers;
};
#endif

// The next switch to `context` calls entry() on this stack; entry must not return.
void PrepareContext(Context& context, char* stack, size_t bytes, void (*entry)());

// Stops here, to be resumed by a switch to `from`, and goes on where `to` stopped.
void SwitchContext(Context& from, Context& to);

}  // namespace cuda_emulator
