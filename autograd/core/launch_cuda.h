#pragma once

// What CUDA kernels share: the launch, grid sizes, shared memory, 16-byte packs, sums over a warp.
//
// The same sources are compiled as C++ for the emulator (autograd/testing/emulator), so kernels are started with
// Launch, never with <<<>>>, and shared memory is declared with SHARED_MEMORY.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "autograd/runtime/dtype.h"
#include "autograd/runtime/stream.h"

// In a kernel: SHARED_MEMORY(name, Type) declares what the threads of a block share, SHARED_MEMORY(sums, float[8][32])
// an array.
#ifndef SHARED_MEMORY
#define SHARED_MEMORY(name, ...) __shared__ std::type_identity_t<__VA_ARGS__> name
#endif

namespace autograd::cuda {

constexpr int kWarp = 32;
// The most threads of a block. They start whatever a kernel's registers: 255 a thread is what there can be, and a block
// has 65536.
constexpr int kBlock = 256;

inline cudaStream_t Native(const Stream& stream) { return static_cast<cudaStream_t>(stream.native()); }

// Blocks for `count` threads. Kernels loop with the stride of the grid, so it may be capped.
inline unsigned Blocks(int64_t count, int64_t block = kBlock) {
  return static_cast<unsigned>(std::clamp<int64_t>((count + block - 1) / block, 1, 1 << 16));
}

// kernel<<<grid, block>>>(arguments...) on the stream; an Error names the operation. A fault inside a kernel shows at a
// later launch or copy: with the environment variable CUDA_LAUNCH_BLOCKING=1 it shows here.
template <typename... Parameters, typename... Arguments>
void Launch(const char* operation, Stream& stream, dim3 grid, dim3 block, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  Require(int64_t{block.x} * block.y * block.z <= kBlock, operation, "starts blocks of more than ", kBlock, " threads");
  std::tuple<std::remove_cv_t<Parameters>...> values(static_cast<Parameters>(arguments)...);
  const cudaError_t error = std::apply(
      [&](auto&... value) {
        void* pointers[] = {&value...};
        return cudaLaunchKernel(kernel, grid, block, pointers, 0, Native(stream));
      },
      values);
  Require(error == cudaSuccess, operation, "CUDA launch failed: ", cudaGetErrorString(error));
}

// Sixteen bytes of neighbours, loaded and stored at once.
template <typename T>
struct alignas(16) Pack {
  static constexpr int kSize = 16 / sizeof(T);
  T values[kSize];
};

// True when packs can be loaded from all of these addresses.
template <typename... Pointers>
bool Aligned(const Pointers*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % 16 == 0) && ...);
}

// Blocks for a loop in which a thread takes a pack at a time, when `packed`.
template <typename T>
unsigned BlocksOfPacks(int64_t count, bool packed) {
  return Blocks(packed ? (count + Pack<T>::kSize - 1) / Pack<T>::kSize : count);
}

// Stores a pack to the device's memory by one instruction. The assignment of a Pack would be cut into stores of 4 or 2
// bytes wherever the compiler takes the elements apart, and ptxas does not join them again.
template <typename T>
__device__ inline void StorePack(T* address, const Pack<T>& pack) {
#if defined(__CUDA_ARCH__)
  uint32_t words[4];
  memcpy(words, &pack, sizeof(words));
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};"
               :
               : "l"(__cvta_generic_to_global(address)), "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3])
               : "memory");
#else
#if defined(CUDA_EMULATOR)
  Require(::cuda_emulator::IsGlobal(address), "StorePack", "writes to shared memory as if it were the device's");
#endif
  *reinterpret_cast<Pack<T>*>(address) = pack;
#endif
}

// `kCount` neighbours as a kernel computes them, in packs unless it is one.
template <int kCount, typename T>
__device__ inline void LoadMany(const T* address, ComputeType<T> (&values)[kCount]) {
  if constexpr (kCount == 1) {
    values[0] = static_cast<ComputeType<T>>(*address);
  } else {
    constexpr int kSize = Pack<T>::kSize;
    static_assert(kCount % kSize == 0);
    for (int p = 0; p < kCount / kSize; ++p) {
      const Pack<T> pack = reinterpret_cast<const Pack<T>*>(address)[p];
      for (int k = 0; k < kSize; ++k) values[p * kSize + k] = static_cast<ComputeType<T>>(pack.values[k]);
    }
  }
}

// To the device's memory, never to shared memory.
template <int kCount, typename T>
__device__ inline void StoreMany(T* address, const ComputeType<T> (&values)[kCount]) {
  if constexpr (kCount == 1) {
    *address = static_cast<T>(values[0]);
  } else {
    constexpr int kSize = Pack<T>::kSize;
    static_assert(kCount % kSize == 0);
    for (int p = 0; p < kCount / kSize; ++p) {
      Pack<T> pack;
      for (int k = 0; k < kSize; ++k) pack.values[k] = static_cast<T>(values[p * kSize + k]);
      StorePack(address + p * kSize, pack);
    }
  }
}

// The sum over the lanes of a warp, in every lane, in an order that never changes.
template <typename Value>
__device__ inline Value WarpSum(Value value) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

// The place of this thread in a grid-stride loop.
__device__ inline int64_t GridIndex() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t GridStride() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

template <typename T>
__device__ inline ComputeType<T> Load(const T* address) {
  return static_cast<ComputeType<T>>(*address);
}

}  // namespace autograd::cuda
