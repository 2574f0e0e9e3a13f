#pragma once

#include "autograd/core/launch_cuda.h"

namespace autograd::cuda {

// The first of the largest of value(0) … value(count - 1), count ≥ 1, by a whole warp, all of whose lanes get it.
template <typename Value, typename Values>
__device__ inline int64_t ArgMaxOfWarp(int64_t count, const Values& value) {
  constexpr int64_t kNone = -1;
  Value best = 0;
  int64_t where = kNone;
  for (int64_t j = threadIdx.x % kWarp; j < count; j += kWarp) {
    const Value candidate = value(j);
    const bool better = where == kNone || candidate > best;
    best = better ? candidate : best;
    where = better ? j : where;
  }
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    const Value other = __shfl_xor_sync(0xFFFFFFFFu, best, offset);
    const int64_t other_where = __shfl_xor_sync(0xFFFFFFFFu, where, offset);
    const bool better =
        other_where != kNone && (where == kNone || other > best || (other == best && other_where < where));
    best = better ? other : best;
    where = better ? other_where : where;
  }
  return where;
}

}  // namespace autograd::cuda
