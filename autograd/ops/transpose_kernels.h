#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// The fewest axes that tell a permutation: neighbours that stay neighbours are one axis, extents of 1 are
// none.
struct PermutePlan {
  int rank = 0;
  int64_t extents[Shape::kMaxRank] = {};  // of the result
  int64_t strides[Shape::kMaxRank] = {};  // of the input along the result's axes, in elements
};

// y[i0, i1, …] = x[Σ strides·i], any dtype.
KERNEL(Permute, void(Stream&, const Array& x, const PermutePlan& plan, Array& y));

// y[o, e, :] = x[o, extent − 1 − e, :], where x is [outer, extent, bytes].
KERNEL(FlipMiddle, void(Stream&, const Array& x, int64_t outer, int64_t extent, int64_t bytes, Array& y));

}  // namespace autograd
