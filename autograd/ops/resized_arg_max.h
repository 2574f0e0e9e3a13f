#pragma once

// The best class of every pixel of an enlarged score map, without the enlarged map: K times the label map in the memory
// of a prediction.

#include "autograd/core/array.h"

namespace autograd {

// ArgMax(ResizeBilinear(logits, height, width)) with the resized logits in float32 (float64 for float64): logits
// [n, h, w, k] → [n, height, width] in int32, int64 or uint8 (then k ≤ 256). No gradient.
Array ResizedArgMax(const Array& logits, int64_t height, int64_t width, DType dtype = kInt32);

}  // namespace autograd
