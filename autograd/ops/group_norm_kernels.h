#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// x, y [n, …, c]; mean, inverse_deviation [n, groups] float32 (float64 for float64), whose shape tells the groups.
KERNEL_CPU_ONLY(GroupNormForward, void(Stream&, const Array& x, const Array& gamma, const Array& beta, double epsilon,
                                       bool relu, Array& y, Array& mean, Array& inverse_deviation));

// All gradients; dgamma and dbeta in gamma's dtype.
KERNEL_CPU_ONLY(GroupNormGradient, void(Stream&, const Array& x, const Array& gamma, const Array& beta,
                                        const Array& mean, const Array& inverse_deviation, bool relu, const Array& dy,
                                        Array& dx, Array& dgamma, Array& dbeta));

}  // namespace autograd
