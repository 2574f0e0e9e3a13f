#pragma once

// Runs CUDA kernels on the CPU, for tests: the very sources that nvcc compiles, compiled as C++ against
// include/cuda_runtime.h. Each thread of a block is a fiber; barriers and warp operations have their real meaning:
//   - __syncthreads waits for every thread of the block that has not returned, a warp operation for the lanes of its
//     mask;
//   - threads that wait for one another at different barriers are an Error, not a hang;
//   - a warp operation that reads a lane outside its mask, or a lane that has returned, is an Error;
//   - a block's threads run in the order that SetThreadOrder gives, so a result that lacks a barrier differs between
//     orders;
//   - device memory (emulated_device.h) and shared memory start as NaN and have poisoned borders under
//     AddressSanitizer.
// Blocks run one after the other on the calling thread: what different blocks do to the same memory without atomics is
// not detected unless the order shows it. Speed is that of a small test: some 10^6 threads a second.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

namespace cuda_emulator {

struct Index {
  unsigned x = 1, y = 1, z = 1;
  constexpr Index(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// What a thread knows of itself.
struct Thread {
  Index thread_index, block_index, block_extent, grid_extent;
};
const Thread& CurrentThread();
int Lane();

// CUDA's limits: 1024 threads a block (64 along z), 2^31 − 1 blocks along x and 65535 along y and z, nothing empty.
bool IsValid(Index grid, Index block);

// What Stream::native() of an emulated device points to.
struct NativeStream {
  int device;
};
// The calling thread's device; 0 at its start. As in CUDA, a launch on a stream of another one fails.
int CurrentDevice();
void SetCurrentDevice(int device);

// Calls `kernel` once for each thread. Errors of the emulator are autograd::Error.
void RunKernel(Index grid, Index block, const std::function<void()>& kernel);

enum class ThreadOrder { kForward, kReverse };
// For the launches of the calling thread from now on.
void SetThreadOrder(ThreadOrder order);

// While the calling thread records (Stream::Record of emulated_device.h), puts `work` into the recording and returns
// true. What queues work on the emulated device asks this first.
bool Recorded(std::function<void()> work);
void SetRecording(std::vector<std::function<void()>>* recording);

void BlockBarrier();
void WarpBarrier(unsigned mask);

// The bytes that lane `source` of the warp passes to the same call.
void ExchangeBytes(unsigned mask, const void* value, size_t bytes, int source, void* result);
template <typename T>
T Exchange(unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 16);
  T result;
  ExchangeBytes(mask, &value, sizeof(T), source, &result);
  return result;
}
unsigned Ballot(unsigned mask, bool predicate);

// The block's shared memory for a declaration: the same for all threads of the block, told apart by place and size.
void* SharedBytes(const char* file, int line, size_t bytes);
template <typename T>
T& SharedMemory(const char* file, int line) {
  return *static_cast<T*>(SharedBytes(file, line, sizeof(T)));
}

// False for addresses in the shared memory of the running block.
bool IsGlobal(const void* address);

}  // namespace cuda_emulator
