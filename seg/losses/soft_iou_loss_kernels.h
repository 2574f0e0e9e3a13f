#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace seg {

// probabilities [b, h, w, k] float32 or float64, labels uint8 [b, h, w] → losses [b] and slopes [b, 2, k], ∂loss/∂p of
// each class at a pixel of that class and at any other; both in the dtype of the probabilities.
KERNEL(SoftIouForward, void(autograd::Stream&, const autograd::Array& probabilities, const autograd::Array& labels,
                            autograd::Array& losses, autograd::Array& slopes));

// dlogits[i, k] = dy·p[i, k]·(slope[i, k] − Σ_j p[i, j]·slope[i, j]), dy [b], and 0 at void pixels. dlogits may be
// the probabilities.
KERNEL(SoftIouGradient, void(autograd::Stream&, const autograd::Array& probabilities, const autograd::Array& labels,
                             const autograd::Array& slopes, const autograd::Array& dy, autograd::Array& dlogits));

}  // namespace seg
