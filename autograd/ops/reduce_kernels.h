#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y[o, i] = scale · Σ_r x[o, r, i], where x has outer·reduced·inner elements.
KERNEL(SumMiddle, void(Stream&, const Array& x, int64_t outer, int64_t reduced, int64_t inner, double scale, Array& y));

// y[o, r, i] = scale · x[o, i].
KERNEL(RepeatMiddle,
       void(Stream&, const Array& x, int64_t outer, int64_t repeated, int64_t inner, double scale, Array& y));

}  // namespace autograd
