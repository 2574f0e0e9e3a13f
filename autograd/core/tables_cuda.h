#pragma once

// Kernels over many arrays at once: a launch gets a table of them, in which each block finds its own.

#include <cstdint>
#include <span>

#include "autograd/core/launch_cuda.h"

namespace autograd::cuda {

constexpr int64_t kTableChunk = 1 << 13;  // elements of a block

// A part of a list of `Tensor`, which has a `size`, passed by value: kernel arguments may take 4 KiB, and no copy to
// the device is needed.
template <typename Tensor>
struct Table {
  static constexpr int kCapacity = 3600 / (sizeof(Tensor) + sizeof(int));
  Tensor tensors[kCapacity];
  int first_block[kCapacity + 1];
  int count = 0;
};

// What a block works on: elements [begin, end) of a tensor of the table.
struct TableChunk {
  int tensor;
  int64_t begin, end;
};

template <typename Tensor>
__device__ TableChunk FindChunk(const Table<Tensor>& table) {
  int low = 0, high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (static_cast<int>(blockIdx.x) >= table.first_block[middle]) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) - table.first_block[low]) * kTableChunk;
  const int64_t size = table.tensors[low].size;
  return {low, begin, begin + kTableChunk < size ? begin + kTableChunk : size};
}

// Calls start(table, blocks) for parts of the list, without the tensors that are empty.
template <typename Tensor, typename Start>
void ForEachTable(std::span<const Tensor> tensors, const Start& start) {
  Table<Tensor> table;
  int blocks = 0;
  const auto flush = [&] {
    table.first_block[table.count] = blocks;
    if (blocks > 0) start(table, blocks);
    table.count = 0;
    blocks = 0;
  };
  for (const Tensor& tensor : tensors) {
    if (tensor.size == 0) continue;
    table.tensors[table.count] = tensor;
    table.first_block[table.count] = blocks;
    blocks += static_cast<int>((tensor.size + kTableChunk - 1) / kTableChunk);
    if (++table.count == Table<Tensor>::kCapacity) flush();
  }
  flush();
}

}  // namespace autograd::cuda
