#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/separable_filter.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y[n, i, j, c] = Σ_s Σ_t rows(i, s)·columns(j, t)·x[n, s, t, c]; the extents are those of x and y.
KERNEL(SeparableForward, void(Stream&, const Array& x, const AxisFilter& rows, const AxisFilter& columns, Array& y));

// dx[n, s, t, c] = Σ_i Σ_j rows(i, s)·columns(j, t)·dy[n, i, j, c], gathered for each (s, t).
KERNEL(SeparableGradient, void(Stream&, const Array& dy, const AxisFilter& rows, const AxisFilter& columns, Array& dx));

}  // namespace autograd
