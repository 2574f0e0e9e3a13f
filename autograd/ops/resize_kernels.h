#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y[n, i, j, c] = x[n, floor(i·h/height), floor(j·w/width), c], any dtype; with `exact`, i + ½ and j + ½ for i, j.
KERNEL(ResizeNearestForward, void(Stream&, const Array& x, bool exact, Array& y));

}  // namespace autograd
