#pragma once

// Sums over the threads of a block, in an order that never changes.

#include "autograd/core/launch_cuda.h"

namespace autograd::cuda {

// The sum over a block of whole warps along x, in every thread.
template <typename Value>
__device__ inline Value BlockSum(Value value, Value (&shared)[kWarp]) {
  value = WarpSum(value);
  __syncthreads();  // before it, `shared` may still be read for the sum before this one
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) value += shared[warp];
  return value;
}

// Adds `values` of the threads with the same threadIdx.x; the result is complete in row 0 of the threads.
template <int kCount, typename Value>
__device__ inline void SumOverRowsOfThreads(Value (&values)[kCount], Value (&shared)[kCount][kBlock]) {
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  for (int k = 0; k < kCount; ++k) shared[k][thread] = values[k];
  for (unsigned rows = blockDim.y; rows > 1;) {
    const unsigned half = (rows + 1) / 2;
    __syncthreads();
    if (threadIdx.y + half < rows) {
      for (int k = 0; k < kCount; ++k) shared[k][thread] += shared[k][thread + half * blockDim.x];
    }
    rows = half;
  }
  for (int k = 0; k < kCount; ++k) values[k] = shared[k][thread];
  __syncthreads();
}

}  // namespace autograd::cuda
