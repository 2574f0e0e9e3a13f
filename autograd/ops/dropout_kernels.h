#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// y[o, r, i] = x[o, r, i] / (1 − rate) where unit first_unit + o·inner + i is kept, 0 elsewhere; x has
// outer·repeated·inner elements. It is its own gradient.
KERNEL(DropUnits, void(Stream&, const Array& x, int64_t outer, int64_t repeated, int64_t inner, double rate,
                       RandomKey key, int64_t first_unit, Array& y));

}  // namespace autograd
