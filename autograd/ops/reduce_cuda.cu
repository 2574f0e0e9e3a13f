#include <algorithm>

#include "autograd/core/launch_cuda.h"
#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd::cuda {
namespace {

// y[o, k] = scale·Σ x[o, r] over chunk k of the reduced elements, one warp a chunk.
template <typename T, typename Value, typename Result>
__global__ void SumRowsKernel(const T* x, int64_t chunks, int64_t tasks, int64_t reduced, int64_t chunk, Value scale,
                              Result* y) {
  const int lane = threadIdx.x % kWarp;
  const int64_t warps = GridStride() / kWarp;
  for (int64_t task = GridIndex() / kWarp; task < tasks; task += warps) {
    const int64_t o = task / chunks, first = task % chunks * chunk, last = min(reduced, first + chunk);
    Value sum = 0;
    for (int64_t r = first + lane; r < last; r += kWarp) sum += Load(x + o * reduced + r);
    sum = WarpSum(sum);
    if (lane == 0) y[task] = static_cast<Result>(scale * sum);
  }
}

// Partial sums of chunks first: they are cut at places that depend on the extents alone.
template <typename T, typename Value = ComputeType<T>>
void SumRows(Stream& stream, const T* x, int64_t outer, int64_t reduced, Value scale, T* y) {
  // At most 1024 chunks, so that the last step stays short.
  const int64_t chunk = std::max<int64_t>(1 << 10, (reduced + 1023) / 1024), chunks = (reduced + chunk - 1) / chunk;
  if (chunks <= 1) {
    return Launch("Sum", stream, Blocks(outer * kWarp), kBlock, SumRowsKernel<T, Value, T>, x, 1, outer, reduced, chunk,
                  scale, y);
  }
  Array partial = Array::Empty({outer * chunks}, DTypeOf<Value>::value);
  Launch("Sum", stream, Blocks(outer * chunks * kWarp), kBlock, SumRowsKernel<T, Value, Value>, x, chunks,
         outer * chunks, reduced, chunk, Value(1), partial.data<Value>());
  Launch("Sum", stream, Blocks(outer * kWarp), kBlock, SumRowsKernel<Value, Value, T>, partial.data<Value>(), 1, outer,
         chunks, chunks, scale, y);
}

template <typename T>
struct ElementTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 1;

  template <int kWidth>
  struct Column {
    __device__ Column(const ElementTerms& terms, int64_t, int64_t) : x(terms.x) {}
    __device__ void Add(int64_t, int64_t offset, Value (&sums)[1][kWidth]) const {
      Value values[kWidth];
      LoadMany(x + offset, values);
      for (int k = 0; k < kWidth; ++k) sums[0][k] += values[k];
    }
    const T* x;
  };

  const T* x;
};

template <typename T>
struct StoreScaled {
  __device__ void operator()(int64_t o, int64_t c, const double (&sums)[1]) const {
    y[o * channels + c] = static_cast<T>(static_cast<ComputeType<T>>(scale * sums[0]));
  }
  double scale;
  int64_t channels;
  T* y;
};

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
    if (inner == 1) {
      return SumRows(stream, x.data<T>(), outer, reduced, static_cast<ComputeType<T>>(scale), y.data<T>());
    }
    constexpr int kSize = Pack<T>::kSize;
    ChannelSums<kSize>("Sum", stream, outer, reduced, inner, inner % kSize == 0 && Aligned(x.raw()),
                       ElementTerms<T>{x.data<T>()}, StoreScaled<T>{scale, inner, y.data<T>()});
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
