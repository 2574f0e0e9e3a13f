#pragma once

// The kernels that arrays, parameters and the tape cannot do without; every other kernel belongs to an op.

#include <span>

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y = value, any dtype.
KERNEL(Fill, void(Stream&, Array& y, double value));

// y = x in y's floating dtype; same shape.
KERNEL(Convert, void(Stream&, const Array& x, Array& y));

// y += x: same shape and dtype.
KERNEL(Accumulate, void(Stream&, const Array& x, Array& y));

// sum += x, in sum's floating dtype; x has as many elements, of any floating dtype.
struct Addition {
  Array x, sum;
};
// All of them at once. No two may have one sum.
KERNEL(AccumulateAll, void(Stream&, std::span<const Addition> additions));

}  // namespace autograd
