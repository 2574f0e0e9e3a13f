#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/activation.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

class WeightLayouts;

// y [r, o] = activation(x [r, k] · weight [o, k]ᵀ + bias [o]) for flattened rows. `bias` may be undefined. Where
// `before_activation` is defined (only with kGelu) it gets the value before the activation. `layouts` may be null.
KERNEL(LinearForward, void(Stream&, const Array& x, const Array& weight, const Array& bias, Activation activation,
                           WeightLayouts* layouts, Array& before_activation, Array& y));

// dweight [o, k] = dyᵀ·x and dbias [o] = Σ over rows of dy, for x [r, k] and dy [r, o].
KERNEL(LinearParameterGradient, void(Stream&, const Array& x, const Array& dy, Array& dweight, Array& dbias));

}  // namespace autograd
