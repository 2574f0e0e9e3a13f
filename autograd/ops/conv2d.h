#pragma once

// Two-dimensional convolution (cross-correlation, as everywhere in deep learning) of channels-last images.

#include "autograd/core/tape.h"
#include "autograd/ops/activation.h"

namespace autograd {

class WeightLayouts;

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;  // zeros on every side
  int64_t dilation = 1;
  int64_t groups = 1;
  Activation activation = Activation::kNone;  // kNone or kRelu, applied to the stored result
  // For a product that is not recorded: the filter's (core/weight_layouts.h).
  WeightLayouts* layouts = nullptr;
};

// y [n, oh, ow, o] = activation(bias[o] + Σ x[n, s·i + d·u − p, s·j + d·v − p, c] · filter[o, u, v, c])
//
//   x      [n, h, w, c]
//   filter [o, kh, kw, c / groups]; outputs are in `groups` equal runs, each of which sees its own run of channels
//   bias   [o], or undefined
//   oh = (h + 2·padding − dilation·(kh − 1) − 1) / stride + 1, rounded down
//
// On CUDA, cuDNN's deterministic plans: float32 without the tensor cores' rounding of inputs to TF32.
//
// One floating dtype. For a filter that is one channel deep in as many groups as channels use DepthwiseConv2d.
Variable Conv2d(const Variable& x, const Variable& filter, const Variable& bias = Variable(),
                const Conv2dOptions& options = {});

}  // namespace autograd
