#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// With h = gelu(x) or x: norms[n, c] = ‖h‖ over the image, and y = h + bias + weight·h·r. x, y [n, …, c]; norms is
// float32 (float64 for float64).
KERNEL(GrnForward, void(Stream&, const Array& x, const Array& weight, const Array& bias, double epsilon, bool gelu,
                        Array& y, Array& norms));

// All gradients; dweight and dbias in weight's dtype.
KERNEL(GrnGradient, void(Stream&, const Array& x, const Array& weight, const Array& norms, double epsilon, bool gelu,
                         const Array& dy, Array& dx, Array& dweight, Array& dbias));

}  // namespace autograd
