#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/depthwise_geometry.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y = x ∗ filter + bias, channel by channel; `bias` may be undefined.
KERNEL(DepthwiseConv2dForward, void(Stream&, const DepthwiseGeometry& geometry, const Array& x, const Array& filter,
                                    const Array& bias, Array& y));

KERNEL(DepthwiseConv2dInputGradient,
       void(Stream&, const DepthwiseGeometry& geometry, const Array& filter, const Array& dy, Array& dx));

// dfilter, and the bias gradient Σ dy where `dbias` is defined.
KERNEL(DepthwiseConv2dFilterGradient,
       void(Stream&, const DepthwiseGeometry& geometry, const Array& x, const Array& dy, Array& dfilter, Array& dbias));

}  // namespace autograd
