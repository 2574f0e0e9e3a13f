#pragma once

// Ops with integer indices (int32, int64 or uint8): Gather, GatherLast; and two that make them or spread them
// out and have no gradient: ArgMax, OneHot.

#include "autograd/core/tape.h"

namespace autograd {

// Rows of a table: table [rows, …], indices [any] -> [any, …]. The gradient sums the rows' shares in the
// order of the indices. An index outside [0, rows) is an Error on the CPU; on CUDA its row is NaN.
Variable Gather(const Variable& table, const Array& indices);

// One entry of the last axis: x [any, k], indices [any] -> [any]; the log-probability of an action, for one.
Variable GatherLast(const Variable& x, const Array& indices);

// The index of the largest entry of the last axis, the first of equal ones: x [any, k] -> [any] in int32,
// int64 or uint8 (then k ≤ 256).
Array ArgMax(const Array& x, DType dtype = kInt32);

// indices [any] -> [any, classes]: one at the index, zeros elsewhere. An index outside [0, classes), such as
// an ignored label, gives a row of zeros.
Array OneHot(const Array& indices, int64_t classes, DType dtype = kFloat32);

}  // namespace autograd
