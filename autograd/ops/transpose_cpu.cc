#include <algorithm>
#include <cstring>

#include "autograd/ops/permute_walk.h"
#include "autograd/ops/transpose_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;

// Where the walk over some axes of a plan stands, in the input and in the result.
struct Offsets {
  int64_t in = 0, out = 0;
};

// `index` counts through the extents.
struct Walk : PermuteWalk {
  Offsets At(int64_t index) const {
    Offsets offsets;
    for (int i = rank - 1; i >= 0; --i) {
      const int64_t position = index % extents[i];
      index /= extents[i];
      offsets.in += position * in_strides[i];
      offsets.out += position * out_strides[i];
    }
    return offsets;
  }
};

// The input's fastest axis is the result's too: whole runs are copied.
template <typename T>
void CopyRuns(const T* in, const PermutePlan& plan, const Walk& outer, T* out) {
  const int64_t run = plan.extents[plan.rank - 1];
  ParallelFor(outer.size, std::max<int64_t>(1, kGrain / run), [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      memcpy(out + index * run, in + outer.At(index).in, run * sizeof(T));
  });
}

// Two axes trade places as the fastest one: square tiles, so that both sides use whole cache lines.
template <typename T>
void SwapTiles(const T* in, int64_t in_extent, int64_t out_stride, int64_t out_extent, int64_t in_stride,
               const Walk& outer, T* out) {
  constexpr int64_t kTile = 32;
  const int64_t tiles = (in_extent + kTile - 1) / kTile;
  ParallelFor(outer.size * tiles, std::max<int64_t>(1, kGrain / (kTile * out_extent)),
              [=, &outer](int64_t begin, int64_t end) {
                for (int64_t task = begin; task < end; ++task) {
                  const Offsets offsets = outer.At(task / tiles);
                  const int64_t first = task % tiles * kTile, last = std::min(in_extent, first + kTile);
                  for (int64_t j0 = 0; j0 < out_extent; j0 += kTile) {
                    const int64_t j1 = std::min(out_extent, j0 + kTile);
                    for (int64_t i = first; i < last; ++i) {
                      const T* from = in + offsets.in + i;
                      T* to = out + offsets.out + i * out_stride;
                      for (int64_t j = j0; j < j1; ++j) to[j] = from[j * in_stride];
                    }
                  }
                }
              });
}

template <typename T>
void PermuteElements(const void* x, const PermutePlan& plan, void* y) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  const int last = plan.rank - 1;
  int64_t out_strides[Shape::kMaxRank];
  out_strides[last] = 1;
  for (int i = last; i > 0; --i) out_strides[i - 1] = out_strides[i] * plan.extents[i];

  const int fastest = static_cast<int>(std::find(plan.strides, plan.strides + plan.rank, 1) - plan.strides);
  Walk outer;
  for (int i = 0; i < last; ++i) {
    if (i != fastest) outer.Add(plan.extents[i], plan.strides[i], out_strides[i]);
  }
  if (fastest == last) {
    CopyRuns(in, plan, outer, out);
  } else {
    SwapTiles(in, plan.extents[fastest], out_strides[fastest], plan.extents[last], plan.strides[last], outer, out);
  }
}

}  // namespace

void Permute(Stream&, const Array& x, const PermutePlan& plan, Array& y) {
  switch (SizeOf(x.dtype())) {
    case 1:
      return PermuteElements<uint8_t>(x.raw(), plan, y.raw());
    case 2:
      return PermuteElements<uint16_t>(x.raw(), plan, y.raw());
    case 4:
      return PermuteElements<uint32_t>(x.raw(), plan, y.raw());
    default:
      return PermuteElements<uint64_t>(x.raw(), plan, y.raw());
  }
}

void FlipMiddle(Stream&, const Array& x, int64_t outer, int64_t extent, int64_t bytes, Array& y) {
  const char* in = static_cast<const char*>(x.raw());
  char* out = static_cast<char*>(y.raw());
  ParallelFor(outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, extent * bytes)),
              [=](int64_t begin, int64_t end) {
                for (int64_t o = begin; o < end; ++o) {
                  for (int64_t e = 0; e < extent; ++e) {
                    memcpy(out + (o * extent + e) * bytes, in + (o * extent + extent - 1 - e) * bytes, bytes);
                  }
                }
              });
}

}  // namespace autograd::cpu
