#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// A box in a larger row-major array: [outer, rows] runs of `bytes`, on both sides of a copy.
struct BoxCopy {
  int64_t outer = 1, rows = 1, bytes = 0;
  int64_t from_offset = 0, from_outer = 0, from_row = 0;  // in bytes
  int64_t to_offset = 0, to_outer = 0, to_row = 0;
};

// Leaves what is outside the box as it was.
KERNEL(CopyBox, void(Stream&, const Array& x, const BoxCopy& box, Array& y));

}  // namespace autograd
