#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y [n, H, W] = the first best of the k values of logits [n, h, w, k], resized to H × W.
KERNEL(ResizedArgMax, void(Stream&, const Array& logits, Array& y));

}  // namespace autograd
