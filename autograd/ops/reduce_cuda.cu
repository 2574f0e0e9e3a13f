#include <algorithm>

#include "autograd/core/launch_cuda.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd::cuda {
namespace {

// Partial sums are cut at places that depend on the extents alone, and added in order: no atomics.
constexpr int64_t kChunk = 1 << 10;
constexpr int kRowsOfThreads = 8;

// partial[o, k, 0] = Σ x[o, r] over chunk k of the reduced elements: one warp a chunk.
template <typename T, typename Value>
__global__ void SumRowsKernel(const T* x, int64_t chunks, int64_t tasks, int64_t reduced, int64_t chunk,
                              Value* partial) {
  const int lane = threadIdx.x % kWarp;
  const int64_t warps = GridStride() / kWarp;
  for (int64_t task = GridIndex() / kWarp; task < tasks; task += warps) {
    const int64_t o = task / chunks, first = task % chunks * chunk, last = min(reduced, first + chunk);
    Value sum = 0;
    for (int64_t r = first + lane; r < last; r += kWarp) sum += Load(x + o * reduced + r);
    sum = WarpSum(sum);
    if (lane == 0) partial[task] = sum;
  }
}

// partial[o, k, i] = Σ x[o, r, i] over chunk k of the reduced rows: a block takes 32 neighbouring columns, its rows of threads every
// eighth row.
template <typename T, typename Value>
__global__ void SumColumnsKernel(const T* x, int64_t chunks, int64_t columns, int64_t tasks, int64_t reduced,
                                 int64_t inner, int64_t chunk, Value* partial) {
  SHARED_MEMORY(shared, Value[kRowsOfThreads][kWarp]);
  for (int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    const int64_t block = task / columns, i = task % columns * kWarp + threadIdx.x;
    const int64_t o = block / chunks, first = block % chunks * chunk, last = min(reduced, first + chunk);
    Value sum = 0;
    if (i < inner) {
      for (int64_t r = first + threadIdx.y; r < last; r += kRowsOfThreads)
        sum += Load(x + (o * reduced + r) * inner + i);
    }
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && i < inner) {
      for (int row = 1; row < kRowsOfThreads; ++row) sum += shared[row][threadIdx.x];
      partial[block * inner + i] = sum;
    }
    __syncthreads();
  }
}

template <typename T, typename Value>
__global__ void SumChunksKernel(const Value* partial, int64_t outer, int64_t chunks, int64_t inner, Value scale, T* y) {
  for (int64_t position = GridIndex(); position < outer * inner; position += GridStride()) {
    const int64_t o = position / inner, i = position % inner;
    Value sum = 0;
    for (int64_t k = 0; k < chunks; ++k) sum += partial[(o * chunks + k) * inner + i];
    y[position] = static_cast<T>(scale * sum);
  }
}

template <typename T>
__global__ void RepeatKernel(const T* x, int64_t size, int64_t repeated, int64_t inner, ComputeType<T> scale, T* y) {
  for (int64_t position = GridIndex(); position < size; position += GridStride()) {
    const int64_t o = position / inner / repeated;
    y[position] = static_cast<T>(scale * Load(x + o * inner + position % inner));
  }
}

}  // namespace

void SumMiddle(Stream& stream, const Array& x, int64_t outer, int64_t reduced, int64_t inner, double scale, Array& y) {
  if (y.size() == 0) return;
  VisitFloating("Sum", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    // At most 1024 chunks, so that the last step stays short.
    const int64_t chunk = std::max(kChunk, (reduced + 1023) / 1024),
                  chunks = std::max<int64_t>(1, (reduced + chunk - 1) / chunk);
    Array partial = Array::Empty({outer * chunks * inner}, DTypeOf<Value>::value);
    if (inner == 1) {
      const int64_t tasks = outer * chunks;
      Launch("Sum", stream, Blocks(tasks * kWarp), kBlock, SumRowsKernel<T, Value>, x.data<T>(), chunks, tasks, reduced,
             chunk, partial.data<Value>());
    } else {
      const int64_t columns = (inner + kWarp - 1) / kWarp, tasks = outer * chunks * columns;
      Launch("Sum", stream, Blocks(tasks, 1), dim3(kWarp, kRowsOfThreads), SumColumnsKernel<T, Value>, x.data<T>(),
             chunks, columns, tasks, reduced, inner, chunk, partial.data<Value>());
    }
    Launch("Sum", stream, Blocks(y.size()), kBlock, SumChunksKernel<T, Value>, partial.data<Value>(), outer, chunks,
           inner, static_cast<Value>(scale), y.data<T>());
  });
}

void RepeatMiddle(Stream& stream, const Array& x, int64_t outer, int64_t repeated, int64_t inner, double scale,
                  Array& y) {
  const int64_t size = outer * repeated * inner;
  if (size == 0) return;
  VisitFloating("Repeat", x.dtype(), [&]<typename T>(T) {
    Launch("Repeat", stream, Blocks(size), kBlock, RepeatKernel<T>, x.data<T>(), size, repeated, inner,
           static_cast<ComputeType<T>>(scale), y.data<T>());
  });
}

}  // namespace autograd::cuda
