#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// Shapes as in attention.h. log_sums [n, heads, l] is float64 for float64 operands and float32 for the
// others.

// y = softmax(scale·q·kᵀ)·v and log_sums = log Σ exp(scale·q·kᵀ).
KERNEL(AttentionForward,
       void(Stream&, const Array& q, const Array& k, const Array& v, double scale, Array& y, Array& log_sums));

// probabilities [n, heads, l, keys] = exp(scale·q·kᵀ − log_sums)
KERNEL(AttentionProbabilities,
       void(Stream&, const Array& q, const Array& k, const Array& log_sums, double scale, Array& probabilities));

// The gradients of y; those whose arrays are undefined are not computed.
KERNEL(AttentionGradient, void(Stream&, const Array& q, const Array& k, const Array& v, const Array& y,
                               const Array& log_sums, const Array& dy, double scale, Array& dq, Array& dk, Array& dv));

}  // namespace autograd
