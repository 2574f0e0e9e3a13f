#pragma once

// Global response normalisation (Woo et al., "ConvNeXt V2", CVPR 2023, equations 1 to 4), for each image n and channel
// c:
//
//   g[n, c] = ‖x[n, ·, ·, c]‖₂,   r[n, c] = g[n, c] / (mean over c of g[n, c] + epsilon),
//   y = x + bias[c] + weight[c]·x·r[n, c].
//
// With weight = bias = 0, as it is initialised, it is the identity. The statistics span the image: tiles of an image do
// not give what the whole image gives.

#include "autograd/core/tape.h"

namespace autograd {

// x [n, …, c], weight [c], bias [c] → y like x. x may be bfloat16 while weight and bias are float32; statistics are
// float32 (float64 for float64). Saves x, weight and one number for each image and channel.
Variable Grn(const Variable& x, const Variable& weight, const Variable& bias, double epsilon = 1e-6);

// Grn(Gelu(x)), as in the ConvNeXt V2 block, without keeping GELU's output: the backward pass computes it again from x.
Variable GeluGrn(const Variable& x, const Variable& weight, const Variable& bias, double epsilon = 1e-6);

}  // namespace autograd
