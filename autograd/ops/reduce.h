#pragma once

// Sums and means over axes. Accumulation is in float32 at least (float64 for float64) and in an order that does not
// depend on the thread count.

#include <vector>

#include "autograd/core/tape.h"

namespace autograd {

// Over `axes` (negative ones count from the end); no axes means all. With keep_axes the reduced extents stay as 1.
Variable Sum(const Variable& x, const std::vector<int>& axes = {}, bool keep_axes = false);
Variable Mean(const Variable& x, const std::vector<int>& axes = {}, bool keep_axes = false);

// Undoes broadcasting: the sum of x over the axes in which `shape` (aligned at the end) is 1 or absent. Returns x
// itself when the shapes agree.
Array SumTo(const Array& x, const Shape& shape);

// Repeats x (aligned at the end) up to `shape`.
Array BroadcastTo(const Array& x, const Shape& shape);

}  // namespace autograd
