#pragma once

// A separable linear filter over the rows and columns of images: what ResizeBilinear, ResizeBicubic,
// AveragePool2d and AdaptiveAveragePool2d are made of.

#include "autograd/core/tape.h"
#include "autograd/ops/separable_filter.h"

namespace autograd {

// x [n, h, w, c] -> [n, height, width, c]. `operation` names it in errors and on the tape.
Variable Separable(const char* operation, const Variable& x, int64_t height, int64_t width, const AxisFilter& rows,
                   const AxisFilter& columns);

}  // namespace autograd
