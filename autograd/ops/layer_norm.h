#pragma once

// Layer normalisation (Ba et al., "Layer Normalization", 2016) over the last axis:
//
//   y = (x − mean) / sqrt(variance + epsilon) · gamma + beta,
//
// with the biased variance of each row. ConvNeXt and SegFormer use epsilon 1e-6, PyTorch's default is 1e-5.

#include "autograd/core/tape.h"

namespace autograd {

// x [..., c], gamma [c], beta [c] → y [..., c]. x may be bfloat16 while gamma and beta are float32. Statistics are
// float32 (float64 for float64). Saves x, gamma and two numbers a row.
Variable LayerNorm(const Variable& x, const Variable& gamma, const Variable& beta, double epsilon);

}  // namespace autograd
