#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// x, y [..., c]; gamma, beta [c] in x's dtype or float32; mean, inverse_deviation: one a row, float32 (float64 for
// float64).
KERNEL(LayerNormForward, void(Stream&, const Array& x, const Array& gamma, const Array& beta, double epsilon, Array& y,
                              Array& mean, Array& inverse_deviation));

// Gradients that are not wanted are undefined arrays; dgamma and dbeta are wanted together.
KERNEL(LayerNormGradient,
       void(Stream&, const Array& x, const Array& gamma, const Array& mean, const Array& inverse_deviation,
            const Array& dy, Array& dx, Array& dgamma, Array& dbeta));

}  // namespace autograd
