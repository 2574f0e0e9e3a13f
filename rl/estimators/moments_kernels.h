#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// sums float64 [b, 3] = (count, Σx, Σx²) of values float32 [n, b, ..] by image, over the entries where valid uint8 [b, ..] (if
// defined) is not 0 and, with `non_zero`, x is not 0. The order of summation depends on the extents of one image alone.
KERNEL_CPU_ONLY(ImageMoments, void(Stream&, const Array& values, const Array& valid, bool non_zero, Array& sums));

// y = (x − mean)·scale where valid, 0 elsewhere; computed in float64. Shapes as above.
KERNEL_CPU_ONLY(Standardize, void(Stream&, const Array& x, const Array& valid, double mean, double scale, Array& y));

}  // namespace autograd
