#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y[i, :] = table[indices[i], :], any dtype.
KERNEL_CPU_ONLY(GatherRows, void(Stream&, const Array& table, const Array& indices, Array& y));
// dtable[r, :] = Σ_{i: indices[i] = r} dy[i, :], i ascending.
KERNEL_CPU_ONLY(GatherRowsGradient, void(Stream&, const Array& indices, const Array& dy, Array& dtable));

// y[i] = x[i, indices[i]]
KERNEL_CPU_ONLY(GatherLastForward, void(Stream&, const Array& x, const Array& indices, Array& y));
// dx[i, j] = dy[i] where j = indices[i], 0 elsewhere.
KERNEL_CPU_ONLY(GatherLastGradient, void(Stream&, const Array& indices, const Array& dy, Array& dx));

// y[i] = the first j with the largest x[i, j].
KERNEL_CPU_ONLY(ArgMaxLast, void(Stream&, const Array& x, Array& y));

// y[i, j] = 1 where j = indices[i], 0 elsewhere.
KERNEL_CPU_ONLY(FillOneHot, void(Stream&, const Array& indices, Array& y));

}  // namespace autograd
