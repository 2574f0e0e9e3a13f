#include "autograd/testing/emulator/fiber.h"

#include <cstdint>

namespace cuda_emulator {

#if defined(__x86_64__)

// The registers that a callee must keep, by the System V calling convention, in the order in which they are popped.
asm(R"(
    .text
    .p2align 4
    .type cuda_emulator_switch, @function
cuda_emulator_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size cuda_emulator_switch, .-cuda_emulator_switch
)");
extern "C" void cuda_emulator_switch(void** save, void* stack_pointer);

void PrepareContext(Context& context, char* stack, size_t bytes, void (*entry)()) {
  constexpr int kRegisters = 6;
  const uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + bytes) / 16 * 16;
  auto* words = reinterpret_cast<uintptr_t*>(top);
  *--words = 0;  // where entry would return to; it also leaves the stack as a call would: 8 bytes off 16
  *--words = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < kRegisters; ++i) *--words = 0;
  context.stack_pointer = words;
}

void SwitchContext(Context& from, Context& to) { cuda_emulator_switch(&from.stack_pointer, to.stack_pointer); }

#else

void PrepareContext(Context& context, char* stack, size_t bytes, void (*entry)()) {
  getcontext(&context.registers);
  context.registers.uc_stack.ss_sp = stack;
  context.registers.uc_stack.ss_size = bytes;
  context.registers.uc_link = nullptr;
  makecontext(&context.registers, entry, 0);
}

void SwitchContext(Context& from, Context& to) { swapcontext(&from.registers, &to.registers); }

#endif

}  // namespace cuda_emulator
