#pragma once

// Stands in for the toolkit's header when a *_cuda.cu is compiled as C++ for the emulator (../emulator.h): the part of
// CUDA's language and runtime that our kernels use. What is missing here is a compile error in the emulated build: add
// it with the meaning that the CUDA C++ Programming Guide gives it.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "autograd/testing/emulator/emulator.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

// launch_cuda.h's SHARED_MEMORY: one array for the block, with poisoned neighbours and without defined contents.
#define SHARED_MEMORY(name, ...)            \
  std::type_identity_t<__VA_ARGS__>& name = \
      ::cuda_emulator::SharedMemory<std::type_identity_t<__VA_ARGS__>>(__FILE__, __LINE__)

#define threadIdx (::cuda_emulator::CurrentThread().thread_index)
#define blockIdx (::cuda_emulator::CurrentThread().block_index)
#define blockDim (::cuda_emulator::CurrentThread().block_extent)
#define gridDim (::cuda_emulator::CurrentThread().grid_extent)

using dim3 = ::cuda_emulator::Index;

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidConfiguration = 9, cudaErrorInvalidResourceHandle = 400 };
inline const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorInvalidResourceHandle) return "invalid resource handle";
  return error == cudaSuccess ? "no error" : "invalid configuration argument";
}

template <typename... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments, size_t,
                             cudaStream_t stream) {
  const auto* const queue = static_cast<const ::cuda_emulator::NativeStream*>(stream);
  if (queue != nullptr && queue->device != ::cuda_emulator::CurrentDevice()) return cudaErrorInvalidResourceHandle;
  if (!::cuda_emulator::IsValid(grid, block)) return cudaErrorInvalidConfiguration;
  const auto copy = [&]<size_t... I>(std::index_sequence<I...>) {
    return std::tuple<std::remove_cvref_t<Parameters>...>(
        *static_cast<std::remove_reference_t<Parameters>*>(arguments[I])...);
  };
  const auto run = [kernel, grid, block, values = copy(std::index_sequence_for<Parameters...>())] {
    ::cuda_emulator::RunKernel(grid, block, [&] { std::apply(kernel, values); });
  };
  if (!::cuda_emulator::Recorded(run)) run();
  return cudaSuccess;
}

inline void __syncthreads() { ::cuda_emulator::BlockBarrier(); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { ::cuda_emulator::WarpBarrier(mask); }

template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const int lane = ::cuda_emulator::Lane();
  return ::cuda_emulator::Exchange(mask, value, lane / width * width + (source & (width - 1)));
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const int lane = ::cuda_emulator::Lane(), source = lane ^ lanes;
  return ::cuda_emulator::Exchange(mask, value, source / width <= lane / width ? source : lane);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  const int lane = ::cuda_emulator::Lane(), source = lane + static_cast<int>(lanes);
  return ::cuda_emulator::Exchange(mask, value, source / width == lane / width ? source : lane);
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes, int width = 32) {
  const int lane = ::cuda_emulator::Lane(), source = lane - static_cast<int>(lanes);
  return ::cuda_emulator::Exchange(mask, value, source >= lane / width * width ? source : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return ::cuda_emulator::Ballot(mask, predicate != 0); }

// One thread runs at a time, and never stops inside these.
template <typename T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  const T before = *address;
  *address = before + value;
  return before;
}
inline int __ffs(int word) { return __builtin_ffs(word); }
inline float rsqrt(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }

template <typename A, typename B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  return b < a ? b : a;
}
template <typename A, typename B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  return a < b ? b : a;
}
using std::abs;
using std::exp;
using std::fabs;
using std::isnan;
using std::log;
using std::sqrt;
