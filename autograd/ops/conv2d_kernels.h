#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/activation.h"
#include "autograd/ops/conv2d_geometry.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

class WeightLayouts;

// y = activation(x ∗ filter + bias); `bias` may be undefined and `layouts` null.
KERNEL(Conv2dForward, void(Stream&, const Conv2dGeometry& geometry, const Array& x, const Array& filter,
                           const Array& bias, Activation activation, WeightLayouts* layouts, Array& y));

// dx from dy (the gradient before the activation).
KERNEL(Conv2dInputGradient,
       void(Stream&, const Conv2dGeometry& geometry, const Array& filter, const Array& dy, Array& dx));

// dfilter from x and dy.
KERNEL(Conv2dFilterGradient,
       void(Stream&, const Conv2dGeometry& geometry, const Array& x, const Array& dy, Array& dfilter));

}  // namespace autograd
