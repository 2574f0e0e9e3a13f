#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// logits [n, h, w, k], labels [b, H, W] with n a multiple of b: row i belongs to image i mod b. loss and scale have one
// element for all images or one each; float32 (float64 for float64) and float64. scale is 1 / count, or 0 where nothing
// counts. weights [b, H, W] and class_weights [k] may be undefined. gradient: undefined, or [n, h, w, k] in the dtype
// of loss, the derivative of Σ weight·class weight·cross entropy over all pixels.
KERNEL(ResizedCrossEntropyForward,
       void(Stream&, const Array& logits, const Array& labels, const Array& weights, const Array& class_weights,
            int void_label, bool count_void, Array& loss, Array& scale, Array& gradient));

// dlogits = scale·dy·gradient, for one scale and dy.
KERNEL(ResizedCrossEntropyGradient,
       void(Stream&, const Array& gradient, const Array& scale, const Array& dy, Array& dlogits));

}  // namespace autograd
