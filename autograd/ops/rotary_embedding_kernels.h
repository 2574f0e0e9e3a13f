#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y = x with each pair turned by +1 or −1 (`direction`) times its angle; x, y [n, l, heads, d], tables float32 [l, d /
// 2].
KERNEL(RotatePairs, void(Stream&, const Array& x, const Array& cosine, const Array& sine, int direction, Array& y));

}  // namespace autograd
