#pragma once

// Resizing of images [N, H, W, C] with PyTorch's conventions (torch.nn.functional.interpolate given a size;
// the scale is in/out, never a rounded scale factor). The weights are in separable_filter.h. A resize to the
// same size is x itself.

#include "autograd/core/tape.h"

namespace autograd {

// x [n, h, w, c], floating -> [n, height, width, c].
Variable ResizeBilinear(const Variable& x, int64_t height, int64_t width, bool align_corners = false);

// Keys' cubic. Without antialiasing a = −0.75 (PyTorch's and OpenCV's); with it a = −0.5 and the kernel
// widens when it shrinks (Pillow's; what timm resizes position embeddings with, also upwards).
Variable ResizeBicubic(const Variable& x, int64_t height, int64_t width, bool antialias = false);

// Pixel floor(i·in/out), PyTorch's "nearest", for x [n, h, w, c] or label maps [n, h, w] of any dtype. A gradient flows
// through floating ones.
Variable ResizeNearest(const Variable& x, int64_t height, int64_t width);

// Pixel floor((i + ½)·in/out), PyTorch's "nearest-exact": the one under the centre of each result, for the same x.
Variable ResizeNearestExact(const Variable& x, int64_t height, int64_t width);

}  // namespace autograd
