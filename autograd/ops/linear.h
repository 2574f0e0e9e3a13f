#pragma once

// The affine map of the last dimension, with weights as PyTorch keeps them.

#include "autograd/core/tape.h"
#include "autograd/ops/activation.h"

namespace autograd {

class WeightLayouts;

// y [..., o] = activation(x [..., k] · weightᵀ + bias), weight [o, k], bias [o] or undefined. One floating dtype.
// For the backward pass Relu keeps y, Gelu the value before it, and no activation neither of them.
// `layouts`, for a product that is not recorded: the weight's (core/weight_layouts.h), or null.
Variable Linear(const Variable& x, const Variable& weight, const Variable& bias = Variable(),
                Activation activation = Activation::kNone, WeightLayouts* layouts = nullptr);

}  // namespace autograd
