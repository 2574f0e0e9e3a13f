#pragma once

// A walk over some axes of a permutation, for every backend.

#include <cstdint>

#include "autograd/core/shape.h"

namespace autograd {

// The axes in row-major order of the result, with the strides of both sides.
struct PermuteWalk {
  int rank = 0;
  int64_t size = 1;
  int64_t extents[Shape::kMaxRank], in_strides[Shape::kMaxRank], out_strides[Shape::kMaxRank];

  void Add(int64_t extent, int64_t in_stride, int64_t out_stride) {
    extents[rank] = extent;
    in_strides[rank] = in_stride;
    out_strides[rank] = out_stride;
    size *= extent;
    ++rank;
  }
};

}  // namespace autograd
