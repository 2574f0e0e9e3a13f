// Kernels whose machine code is known, so that kernels_test.py can check how it reads cubins. They never run.

#include <cstdint>

#include "autograd/core/launch_cuda.h"

namespace kernels_test {

using autograd::BFloat16;
using autograd::cuda::Pack;
using autograd::cuda::StorePack;

// One store of 16 bytes.
__global__ void StoresPacks(const float* x, BFloat16* y) {
  Pack<BFloat16> pack;
  for (int k = 0; k < Pack<BFloat16>::kSize; ++k) pack.values[k] = BFloat16(x[threadIdx.x * 8 + k]);
  StorePack(y + threadIdx.x * 8, pack);
}

// The fault: the same 16 bytes, two at a time.
__global__ void StoresNarrowly(const float* x, BFloat16* y) {
  for (int k = 0; k < 8; ++k) y[threadIdx.x * 8 + k] = BFloat16(x[threadIdx.x * 8 + k]);
}

// One load and one store of each width.
template <typename T>
__device__ void Copy(const T* x, T* y) {
  *y = *x;
}
__global__ void CopiesEveryWidth(const uint8_t* one, uint8_t* y1, const uint16_t* two, uint16_t* y2,
                                 const uint32_t* four, uint32_t* y4, const uint64_t* eight, uint64_t* y8,
                                 const uint4* sixteen, uint4* y16) {
  Copy(one, y1);
  Copy(two, y2);
  Copy(four, y4);
  Copy(eight, y8);
  Copy(sixteen, y16);
}

// The fault: 128 values to be kept over a barrier in the 64 registers that 1024 threads leave to each.
__global__ void __launch_bounds__(1024) Spills(const float* x, float* y) {
  constexpr int kValues = 128;
  float values[kValues];
  for (int k = 0; k < kValues; ++k) values[k] = x[k * 1024 + threadIdx.x];
  __syncthreads();
  for (int k = 0; k < kValues; ++k) y[k * 1024 + threadIdx.x] = values[k] * values[kValues - 1 - k];
}

// The fault: an array that is indexed by what the kernel reads lies in local memory.
__global__ void __launch_bounds__(128) HasAStack(const int* x, int* y) {
  int values[32];
  for (int k = 0; k < 32; ++k) values[k] = x[k];
  for (int k = 0; k < 32; ++k) values[x[32 + k] & 31] += k;
  y[threadIdx.x] = values[x[threadIdx.x] & 31];
}

}  // namespace kernels_test
