#include "autograd/ops/permute_walk.h"
#include "autograd/ops/rows_cuda.h"
#include "autograd/ops/transpose_kernels.h"

namespace autograd::cuda {
namespace {

constexpr int kTile = 32, kRowsOfThreads = 8;

// `index` counts through the extents.
struct Walk : PermuteWalk {
  __device__ void Find(int64_t index, int64_t& in, int64_t& out) const {
    in = 0;
    out = 0;
    for (int i = rank - 1; i >= 0; --i) {
      const int64_t rest = Divide(index, extents[i]);
      const int64_t position = index - rest * extents[i];
      index = rest;
      in += position * in_strides[i];
      out += position * out_strides[i];
    }
  }
};

// The input's fastest axis is the result's too: runs of `units` units are copied.
template <typename Unit>
__global__ void CopyRunsKernel(const Unit* x, Walk outer, uint32_t units, Unit* y) {
  ForEachInRows(outer.size, units, [&](int64_t row, uint32_t element) {
    int64_t in, out;
    outer.Find(row, in, out);
    y[row * units + element] = x[in * units + element];
  });
}

// Two axes trade places as the fastest one. A block moves a square through shared memory, so that it reads and writes
// along rows; the odd pitch keeps columns off one bank.
template <typename T>
__global__ void SwapKernel(const T* x, Walk outer, int64_t in_extent, int64_t out_stride, int64_t out_extent,
                           int64_t in_stride, T* y) {
  SHARED_MEMORY(tile, T[kTile][kTile + 1]);
  const int64_t down = (in_extent + kTile - 1) / kTile, across = (out_extent + kTile - 1) / kTile;
  const int lane = threadIdx.x;
  for (int64_t task = blockIdx.x; task < outer.size * down * across; task += gridDim.x) {
    int64_t in, out;
    outer.Find(task / (down * across), in, out);
    const int64_t i0 = task / across % down * kTile, j0 = task % across * kTile;
    for (int row = threadIdx.y; row < kTile; row += kRowsOfThreads) {
      if (j0 + row < out_extent && i0 + lane < in_extent) tile[row][lane] = x[in + (j0 + row) * in_stride + i0 + lane];
    }
    __syncthreads();
    for (int row = threadIdx.y; row < kTile; row += kRowsOfThreads) {
      if (i0 + row < in_extent && j0 + lane < out_extent)
        y[out + (i0 + row) * out_stride + j0 + lane] = tile[lane][row];
    }
    __syncthreads();
  }
}

template <typename T>
void SwapElements(Stream& stream, const Array& x, const PermutePlan& plan, const Walk& outer, int fastest,
                  int64_t out_stride, Array& y) {
  const int last = plan.rank - 1;
  const int64_t in_extent = plan.extents[fastest], out_extent = plan.extents[last];
  const int64_t tiles = outer.size * ((in_extent + kTile - 1) / kTile) * ((out_extent + kTile - 1) / kTile);
  Launch("Permute", stream, Blocks(tiles, 1), dim3(kTile, kRowsOfThreads), SwapKernel<T>,
         static_cast<const T*>(x.raw()), outer, in_extent, out_stride, out_extent, plan.strides[last],
         static_cast<T*>(y.raw()));
}

// Element e of row `row` of the result comes from the mirrored place; `units` units are one index of the axis.
template <typename Unit>
__global__ void FlipKernel(const Unit* x, int64_t outer, uint32_t extent, uint32_t units, Unit* y) {
  ForEachInRows(outer, extent * units, [&](int64_t row, uint32_t element) {
    const uint32_t e = element / units, mirrored = (extent - 1 - e) * units + (element - e * units);
    const int64_t first = row * extent * units;
    y[first + element] = x[first + mirrored];
  });
}

}  // namespace

void Permute(Stream& stream, const Array& x, const PermutePlan& plan, Array& y) {
  const int last = plan.rank - 1;
  int64_t out_strides[Shape::kMaxRank];
  out_strides[last] = 1;
  for (int i = last; i > 0; --i) out_strides[i - 1] = out_strides[i] * plan.extents[i];
  const int fastest = static_cast<int>(std::find(plan.strides, plan.strides + plan.rank, 1) - plan.strides);
  const int64_t size = SizeOf(x.dtype());

  Walk outer;
  if (fastest == last) {
    // Strides of the axes before the last are whole runs: of the input's fastest axis, too.
    const int64_t run = plan.extents[last];
    for (int i = 0; i < last; ++i) outer.Add(plan.extents[i], plan.strides[i] / run, out_strides[i] / run);
    VisitCopyUnit(static_cast<uint64_t>(run * size) | AddressBits(x.raw()) | AddressBits(y.raw()),
                  [&]<typename Unit>(Unit) {
                    const int64_t units = run * size / static_cast<int64_t>(sizeof(Unit));
                    const RowLaunch launch = LaunchOfRows("Permute", outer.size, units);
                    Launch("Permute", stream, launch.grid, launch.block, CopyRunsKernel<Unit>,
                           static_cast<const Unit*>(x.raw()), outer, units, static_cast<Unit*>(y.raw()));
                  });
    return;
  }
  for (int i = 0; i < last; ++i) {
    if (i != fastest) outer.Add(plan.extents[i], plan.strides[i], out_strides[i]);
  }
  switch (size) {
    case 1:
      return SwapElements<uint8_t>(stream, x, plan, outer, fastest, out_strides[fastest], y);
    case 2:
      return SwapElements<uint16_t>(stream, x, plan, outer, fastest, out_strides[fastest], y);
    case 4:
      return SwapElements<uint32_t>(stream, x, plan, outer, fastest, out_strides[fastest], y);
    default:
      return SwapElements<uint64_t>(stream, x, plan, outer, fastest, out_strides[fastest], y);
  }
}

void FlipMiddle(Stream& stream, const Array& x, int64_t outer, int64_t extent, int64_t bytes, Array& y) {
  if (outer * extent * bytes == 0) return;
  VisitCopyUnit(static_cast<uint64_t>(bytes) | AddressBits(x.raw()) | AddressBits(y.raw()), [&]<typename Unit>(Unit) {
    const int64_t units = bytes / static_cast<int64_t>(sizeof(Unit));
    const RowLaunch launch = LaunchOfRows("Flip", outer, extent * units);
    Launch("Flip", stream, launch.grid, launch.block, FlipKernel<Unit>, static_cast<const Unit*>(x.raw()), outer,
           extent, units, static_cast<Unit*>(y.raw()));
  });
}

}  // namespace autograd::cuda
