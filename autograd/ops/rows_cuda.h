#pragma once

// For CUDA kernels over rows of equal length, where one element is one thread's work at a time: a pixel's pack of
// channels, a unit of a copy. Which element of a row it is takes 32 bits, so that kernels can afford to divide it.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "autograd/core/launch_cuda.h"

namespace autograd::cuda {

struct RowLaunch {
  dim3 grid, block;
};

// Short rows share a block, long ones take several.
inline RowLaunch LaunchOfRows(const char* operation, int64_t rows, int64_t size) {
  Require(size <= std::numeric_limits<int32_t>::max(), operation, "a row of ", size, " elements is too long for CUDA");
  int64_t lanes = 1;
  while (lanes < size && lanes < kBlock) lanes *= 2;
  const int64_t together = std::clamp<int64_t>(rows, 1, kBlock / lanes);
  const unsigned down = static_cast<unsigned>(std::clamp<int64_t>((rows + together - 1) / together, 1, 1 << 20));
  const unsigned across = static_cast<unsigned>(std::clamp<int64_t>((size + lanes - 1) / lanes, 1, 1 << 10));
  return {dim3(down, across), dim3(static_cast<unsigned>(lanes), static_cast<unsigned>(together))};
}

// a / b for numbers that are not negative. Most are small, and the division of 64 bits is several times as long.
__device__ inline int64_t Divide(int64_t a, int64_t b) {
  return (a | b) >> 32 == 0 ? static_cast<int64_t>(static_cast<uint32_t>(a) / static_cast<uint32_t>(b)) : a / b;
}

// Calls function(row, element) for this thread's share of the elements.
template <typename Function>
__device__ inline void ForEachInRows(int64_t rows, uint32_t size, const Function& function) {
  const uint32_t first = blockIdx.y * blockDim.x + threadIdx.x, step = gridDim.y * blockDim.x;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; row < rows;
       row += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    for (uint32_t element = first; element < size; element += step) function(row, element);
  }
}

// Sixteen bytes of whatever kind.
struct alignas(16) CopyUnit {
  uint64_t words[2];
};

// For copies of any dtype: calls visitor(Unit()) with the largest unit that divides `bytes`, the bitwise or of all
// addresses, offsets and lengths.
template <typename Visitor>
void VisitCopyUnit(uint64_t bytes, const Visitor& visitor) {
  if (bytes % 16 == 0) return visitor(CopyUnit());
  if (bytes % 8 == 0) return visitor(uint64_t());
  if (bytes % 4 == 0) return visitor(uint32_t());
  if (bytes % 2 == 0) return visitor(uint16_t());
  visitor(uint8_t());
}
inline uint64_t AddressBits(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

}  // namespace autograd::cuda
