#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace autograd {

// y[i] = number first + i of the key, as standard_normal.h has them; y floating.
KERNEL(StandardNormal, void(Stream&, const RandomKey& key, int64_t first, Array& y));

}  // namespace autograd
