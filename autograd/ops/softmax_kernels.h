#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y = softmax(x) over the last axis, or its logarithm.
KERNEL(SoftmaxForward, void(Stream&, const Array& x, bool logarithm, Array& y));
// dx from the result y: y·(dy − Σ dy·y), or dy − exp(y)·Σ dy.
KERNEL(SoftmaxGradient, void(Stream&, const Array& y, const Array& dy, bool logarithm, Array& dx));

}  // namespace autograd
