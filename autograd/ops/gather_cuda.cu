#include <algorithm>
#include <limits>

#include "autograd/ops/arg_max_cuda.h"
#include "autograd/ops/gather_kernels.h"
#include "autograd/ops/rows_cuda.h"
#include "autograd/runtime/ceil_divide.h"

namespace autograd::cuda {
namespace {

// What stands for an entry that is not there: NaN in floating dtypes.
template <typename Unit>
__device__ Unit AllBits() {
  if constexpr (sizeof(Unit) == sizeof(CopyUnit)) {
    return {{~uint64_t{0}, ~uint64_t{0}}};
  } else {
    return static_cast<Unit>(~Unit{0});
  }
}

template <typename Unit, typename Index>
__global__ void GatherRowsKernel(const Unit* table, const Index* indices, int64_t count, int64_t rows, uint32_t units,
                                 Unit* y) {
  ForEachInRows(count, units, [&](int64_t i, uint32_t element) {
    const int64_t row = static_cast<int64_t>(indices[i]);
    y[i * units + element] = row >= 0 && row < rows ? table[row * units + element] : AllBits<Unit>();
  });
}

// partial[k, r, c] = Σ dy[i, c] over the i of chunk k whose index is r, ascending. Every block looks through the whole
// chunk for its own row: the indices are short beside the rows of dy, and need no sorting that way.
template <typename T, typename Index>
__global__ void __launch_bounds__(kBlock)
    SumSharesKernel(const Index* indices, const T* dy, int64_t count, int64_t chunk, int64_t rows, int64_t width,
                    ComputeType<T>* partial) {
  SHARED_MEMORY(masks, unsigned[kBlock / kWarp]);
  const int64_t r = blockIdx.x % rows, k = blockIdx.x / rows, last = min(count, (k + 1) * chunk);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kBlock + threadIdx.x;
  ComputeType<T> sum = 0;
  for (int64_t first = k * chunk; first < last; first += kBlock) {
    const int64_t i = first + threadIdx.x;
    const unsigned mine = __ballot_sync(0xFFFFFFFFu, i < last && static_cast<int64_t>(indices[i]) == r);
    if (threadIdx.x % kWarp == 0) masks[threadIdx.x / kWarp] = mine;
    __syncthreads();
    for (int warp = 0; warp < kBlock / kWarp && c < width; ++warp) {
      for (unsigned mask = masks[warp]; mask != 0; mask &= mask - 1) {
        const int64_t share = first + warp * kWarp + __ffs(static_cast<int>(mask)) - 1;
        sum += Load(dy + share * width + c);
      }
    }
    __syncthreads();
  }
  if (c < width) partial[(k * rows + r) * width + c] = sum;
}

template <typename T>
__global__ void SumChunksKernel(const ComputeType<T>* partial, int64_t chunks, int64_t size, T* dtable) {
  for (int64_t i = GridIndex(); i < size; i += GridStride()) {
    ComputeType<T> sum = 0;
    for (int64_t k = 0; k < chunks; ++k) sum += partial[k * size + i];
    dtable[i] = static_cast<T>(sum);
  }
}

template <typename Unit, typename Index>
__global__ void GatherLastKernel(const Unit* x, const Index* indices, int64_t rows, int64_t count, Unit* y) {
  for (int64_t i = GridIndex(); i < rows; i += GridStride()) {
    const int64_t j = static_cast<int64_t>(indices[i]);
    y[i] = j >= 0 && j < count ? x[i * count + j] : AllBits<Unit>();
  }
}

// Over zeros: y[i, indices[i]] = values[i].
template <typename Unit, typename Index>
__global__ void ScatterLastKernel(const Unit* values, const Index* indices, int64_t rows, int64_t count, Unit* y) {
  for (int64_t i = GridIndex(); i < rows; i += GridStride()) {
    const int64_t j = static_cast<int64_t>(indices[i]);
    if (j >= 0 && j < count) y[i * count + j] = values[i];
  }
}

// Over zeros: y[i, indices[i]] = one.
template <typename T, typename Index>
__global__ void OneHotKernel(const Index* indices, int64_t rows, int64_t classes, T one, T* y) {
  for (int64_t i = GridIndex(); i < rows; i += GridStride()) {
    const int64_t j = static_cast<int64_t>(indices[i]);
    if (j >= 0 && j < classes) y[i * classes + j] = one;
  }
}

// One warp a row.
template <typename T, typename Index>
__global__ void ArgMaxKernel(const T* x, int64_t rows, int64_t count, Index* y) {
  for (int64_t row = GridIndex() / kWarp; row < rows; row += GridStride() / kWarp) {
    const T* const values = x + row * count;
    const int64_t where = ArgMaxOfWarp<ComputeType<T>>(count, [=](int64_t j) { return Load(values + j); });
    if (threadIdx.x % kWarp == 0) y[row] = static_cast<Index>(where);
  }
}

}  // namespace

void GatherRows(Stream& stream, const Array& table, const Array& indices, Array& y) {
  if (y.size() == 0) return;
  const int64_t rows = table.shape()[0], bytes = y.bytes() / indices.size();
  VisitIndex("Gather", indices.dtype(), [&]<typename Index>(Index) {
    VisitCopyUnit(static_cast<uint64_t>(bytes) | AddressBits(table.raw()) | AddressBits(y.raw()),
                  [&]<typename Unit>(Unit) {
                    const int64_t units = bytes / static_cast<int64_t>(sizeof(Unit));
                    const RowLaunch launch = LaunchOfRows("Gather", indices.size(), units);
                    Launch("Gather", stream, launch.grid, launch.block, GatherRowsKernel<Unit, Index>,
                           static_cast<const Unit*>(table.raw()), indices.data<Index>(), indices.size(), rows, units,
                           static_cast<Unit*>(y.raw()));
                  });
  });
}

void GatherRowsGradient(Stream& stream, const Array& indices, const Array& dy, Array& dtable) {
  if (dtable.size() == 0) return;
  const int64_t rows = dtable.shape()[0], width = dtable.size() / rows, count = indices.size();
  // Few rows are cut into chunks, so that the device is full; the cuts depend on the extents alone.
  constexpr int64_t kLeastChunk = 1024, kEnoughBlocks = 528;
  const int64_t tiles = CeilDivide(width, kBlock);
  const int64_t chunks =
      std::clamp<int64_t>(CeilDivide(kEnoughBlocks, rows * tiles), 1, std::max<int64_t>(1, count / kLeastChunk));
  Require(rows * chunks <= std::numeric_limits<int32_t>::max(), "GatherGradient", "a table of ", rows,
          " rows is too long for CUDA");
  VisitFloating("GatherGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Array partial = Array::Empty({chunks, rows, width}, DTypeOf<Value>::value);
    VisitIndex("GatherGradient", indices.dtype(), [&]<typename Index>(Index) {
      const dim3 grid(static_cast<unsigned>(rows * chunks), static_cast<unsigned>(tiles));
      Launch("GatherGradient", stream, grid, kBlock, SumSharesKernel<T, Index>, indices.data<Index>(), dy.data<T>(),
             count, CeilDivide(count, chunks), rows, width, partial.data<Value>());
    });
    Launch("GatherGradient", stream, Blocks(dtable.size()), kBlock, SumChunksKernel<T>, partial.data<Value>(), chunks,
           dtable.size(), dtable.data<T>());
  });
}

void GatherLastForward(Stream& stream, const Array& x, const Array& indices, Array& y) {
  if (y.size() == 0) return;
  VisitIndex("GatherLast", indices.dtype(), [&]<typename Index>(Index) {
    VisitCopyUnit(static_cast<uint64_t>(SizeOf(x.dtype())), [&]<typename Unit>(Unit) {
      Launch("GatherLast", stream, Blocks(y.size()), kBlock, GatherLastKernel<Unit, Index>,
             static_cast<const Unit*>(x.raw()), indices.data<Index>(), y.size(), x.shape()[-1],
             static_cast<Unit*>(y.raw()));
    });
  });
}

void GatherLastGradient(Stream& stream, const Array& indices, const Array& dy, Array& dx) {
  if (dx.size() == 0) return;
  stream.FillZero(dx.raw(), dx.bytes());
  VisitIndex("GatherLastGradient", indices.dtype(), [&]<typename Index>(Index) {
    VisitCopyUnit(static_cast<uint64_t>(SizeOf(dx.dtype())), [&]<typename Unit>(Unit) {
      Launch("GatherLastGradient", stream, Blocks(dy.size()), kBlock, ScatterLastKernel<Unit, Index>,
             static_cast<const Unit*>(dy.raw()), indices.data<Index>(), dy.size(), dx.shape()[-1],
             static_cast<Unit*>(dx.raw()));
    });
  });
}

void ArgMaxLast(Stream& stream, const Array& x, Array& y) {
  if (y.size() == 0) return;
  VisitFloating("ArgMax", x.dtype(), [&]<typename T>(T) {
    VisitIndex("ArgMax", y.dtype(), [&]<typename Index>(Index) {
      Launch("ArgMax", stream, Blocks(y.size() * kWarp), kBlock, ArgMaxKernel<T, Index>, x.data<T>(), y.size(),
             x.shape()[-1], y.data<Index>());
    });
  });
}

void FillOneHot(Stream& stream, const Array& indices, Array& y) {
  if (y.size() == 0) return;
  stream.FillZero(y.raw(), y.bytes());
  VisitAny("OneHot", y.dtype(), [&]<typename T>(T) {
    VisitIndex("OneHot", indices.dtype(), [&]<typename Index>(Index) {
      Launch("OneHot", stream, Blocks(indices.size()), kBlock, OneHotKernel<T, Index>, indices.data<Index>(),
             indices.size(), y.shape()[-1], static_cast<T>(static_cast<ComputeType<T>>(1)), y.data<T>());
    });
  });
}

}  // namespace autograd::cuda
