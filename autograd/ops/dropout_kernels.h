#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// y[o, r, i] = x[o, r, i] / (1 − rate) where unit first_unit + o·inner + i is kept, 0 elsewhere, plus addend[o, r, i]
// where that is defined; x has outer·repeated·inner elements. Without an addend it is its own gradient.
KERNEL(DropUnits, void(Stream&, const Array& x, const Array& addend, int64_t outer, int64_t repeated, int64_t inner,
                       double rate, RandomKey key, int64_t first_unit, Array& y));

}  // namespace autograd
