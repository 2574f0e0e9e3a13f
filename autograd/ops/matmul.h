#pragma once

// Batched matrix products.

#include "autograd/core/tape.h"

namespace autograd {

// y [..., m, n] = op(a)·op(b), where op transposes the last two dimensions when asked.
//
//   a [..., m, k]  (or [..., k, m] with transpose_a)
//   b [..., k, n]  (or [..., n, k] with transpose_b): the leading dimensions of a, or none at all, when one b serves
//   every a.
//
// One floating dtype; bfloat16 is accumulated in float32.
Variable MatMul(const Variable& a, const Variable& b, bool transpose_a = false, bool transpose_b = false);

}  // namespace autograd
