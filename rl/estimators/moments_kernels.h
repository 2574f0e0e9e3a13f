#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace rl {

// sums float64 [b, 3] = (count, Σx, Σx²) of values float32 [n, b, ..] by image, over the entries where valid uint8 [b,
// ..] (if defined) is not 0 and, with `non_zero`, x is not 0. The order of summation depends on the extents of one
// image alone.
KERNEL(ImageMoments, void(autograd::Stream&, const autograd::Array& values, const autograd::Array& valid, bool non_zero,
                          autograd::Array& sums));

// moments float64 [3] = Σ over the images of sums [b, 3], in order.
KERNEL(AddImageMoments, void(autograd::Stream&, const autograd::Array& sums, autograd::Array& moments));

// y = (x − mean)/(σ + 1e-6) where valid, 0 elsewhere, with mean (0 unless `centre`) and σ from moments float64 [3];
// computed in float64. Shapes as above.
KERNEL(Standardize, void(autograd::Stream&, const autograd::Array& x, const autograd::Array& valid,
                         const autograd::Array& moments, bool centre, autograd::Array& y));

}  // namespace rl
