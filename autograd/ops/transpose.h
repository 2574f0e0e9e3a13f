#pragma once

// Ops that reorder elements: Transpose, Reshape, Flip. Any dtype; a gradient flows through floating ones.

#include <string_view>
#include <vector>

#include "autograd/core/tape.h"

namespace autograd {

// Axes by name: Transpose(x, "n h w c -> n c h w"). Each name stands once on either side. Copies, except
// where nothing moves.
Variable Transpose(const Variable& x, std::string_view pattern);

// The same elements under another shape; shares storage. One extent may be -1.
Variable Reshape(const Variable& x, const std::vector<int64_t>& extents);

// Reverses one axis; negative ones count from the end. The horizontal mirror image of [n, h, w, c] is Flip(x,
// 2).
Variable Flip(const Variable& x, int axis);

}  // namespace autograd
