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
// One floating dtype; bfloat16 is accumulated in float32 and rounded once.
Variable MatMul(const Variable& a, const Variable& b, bool transpose_a = false, bool transpose_b = false);

// True where this CPU has instructions for products of bfloat16 (AVX512-BF16, AMX): MatMul, Linear, Conv2d and
// attention then take about half as long in bfloat16 as in float32. Elsewhere they work on float32 copies of their
// operands, and bfloat16 saves memory, not time.
bool CpuMultipliesBFloat16();

}  // namespace autograd
