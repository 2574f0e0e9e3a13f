#pragma once

#include <type_traits>

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// Calls function(T()) with the type of an integer dtype.
template <typename Function>
void VisitIndex(const char* operation, DType dtype, const Function& function) {
  VisitAny(operation, dtype, [&]<typename T>(T) {
    if constexpr (std::is_integral_v<T>) function(T());
  });
}

// Where an index is outside, these throw on the CPU; on CUDA the forward passes give NaN (all bits set) and the
// gradients leave the entry out.

// y[i, :] = table[indices[i], :], any dtype.
KERNEL(GatherRows, void(Stream&, const Array& table, const Array& indices, Array& y));
// dtable[r, :] = Σ_{i: indices[i] = r} dy[i, :], i ascending.
KERNEL(GatherRowsGradient, void(Stream&, const Array& indices, const Array& dy, Array& dtable));

// y[i] = x[i, indices[i]]
KERNEL(GatherLastForward, void(Stream&, const Array& x, const Array& indices, Array& y));
// dx[i, j] = dy[i] where j = indices[i], 0 elsewhere.
KERNEL(GatherLastGradient, void(Stream&, const Array& indices, const Array& dy, Array& dx));

// y[i] = the first j with the largest x[i, j].
KERNEL(ArgMaxLast, void(Stream&, const Array& x, Array& y));

// y[i, j] = 1 where j = indices[i], 0 elsewhere.
KERNEL(FillOneHot, void(Stream&, const Array& indices, Array& y));

}  // namespace autograd
