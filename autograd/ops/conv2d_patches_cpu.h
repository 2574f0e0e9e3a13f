#pragma once

// Convolution as matrix products: row p of the patch matrix [positions, kh·kw·c] is what output position p reads. It is
// made in blocks that stay in cache, not as a whole, unless it is small; for a 1×1 filter it is x itself.

#include "autograd/ops/conv2d_geometry.h"

namespace autograd::cpu {

// For T = float and double. `bias` may be null.
template <typename T>
void PatchForward(const Conv2dGeometry& geometry, const T* x, const T* filter, const T* bias, bool relu, T* y);
template <typename T>
void PatchInputGradient(const Conv2dGeometry& geometry, const T* filter, const T* dy, T* dx);
template <typename T>
void PatchFilterGradient(const Conv2dGeometry& geometry, const T* x, const T* dy, T* dfilter);

}  // namespace autograd::cpu
