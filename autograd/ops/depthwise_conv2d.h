#pragma once

// Depthwise convolution: every channel has a filter of its own (ConvNeXt's 7×7).

#include "autograd/core/tape.h"

namespace autograd {

struct DepthwiseConv2dOptions {
  int64_t stride = 1;
  int64_t dilation = 1;
};

// y [n, oh, ow, c] = bias[c] + Σ x[n, s·i + d·u − p_h, s·j + d·v − p_w, c] · filter[u, v, c] with "same" padding: p =
// d·(k − 1) / 2, so oh = ⌈h / stride⌉ and ow = ⌈w / stride⌉.
//
//   x      [n, h, w, c]
//   filter [kh, kw, c], kh and kw odd: the channel is innermost as in x. PyTorch's [c, 1, kh, kw] is transposed
//   when it is loaded.
//   bias   [c], or undefined
//
// One floating dtype. Stride 1 without dilation is the fast case; on CUDA with filters of 3 × 3, 5 × 5 or 7 × 7.
Variable DepthwiseConv2d(const Variable& x, const Variable& filter, const Variable& bias = Variable(),
                         const DepthwiseConv2dOptions& options = {});

}  // namespace autograd
