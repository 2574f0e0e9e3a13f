#pragma once

// Ops that put boxes together and cut them out: Concatenate, Stack, Slice, Split, Pad. Any dtype; a gradient
// flows through floating ones. Axes may be negative and then count from the end.

#include <vector>

#include "autograd/core/tape.h"

namespace autograd {

// Joins one or more inputs whose other extents agree.
Variable Concatenate(const std::vector<Variable>& inputs, int axis);

// Joins inputs of one shape along a new axis, which may be the rank.
Variable Stack(const std::vector<Variable>& inputs, int axis);

// Indices [begin, end) of one axis. A slice of the first axis shares storage, others copy.
Variable Slice(const Variable& x, int axis, int64_t begin, int64_t end);

// Slices of the given extents, which add up to the axis.
std::vector<Variable> Split(const Variable& x, int axis, const std::vector<int64_t>& extents);

// Rows above and below, columns left and right of an image.
struct Margins {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};

// x [n, h, w, c] or a label map [n, h, w] -> the same with `value` around it.
Variable Pad(const Variable& x, const Margins& margins, double value = 0);

}  // namespace autograd
