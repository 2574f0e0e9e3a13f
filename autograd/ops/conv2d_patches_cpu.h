#pragma once

// Convolution as matrix products: row p of the patch matrix [positions, kh·kw·c] is what output position p reads. It is
// made in blocks that stay in cache, not as a whole, unless it is small; for a 1×1 filter it is x itself.

#include "autograd/ops/activation.h"
#include "autograd/ops/conv2d_geometry.h"
#include "autograd/runtime/dtype.h"

namespace autograd {

class WeightLayouts;

namespace cpu {

// For T = float, double and BFloat16 (where OneDnnHasBFloat16()). `bias` may be null, and `layouts`, which else keeps a
// filter that meets few positions in the layout of KeptWeightGemm (cpu/gemm.h), where that is there. The input gradient
// of windows that overlap is not for BFloat16, in which it would have to be added up; the filter gradient stays in
// float32.
template <typename T>
void PatchForward(const Conv2dGeometry& geometry, const T* x, const T* filter, const T* bias, Activation activation,
                  WeightLayouts* layouts, T* y);
template <typename T>
void PatchInputGradient(const Conv2dGeometry& geometry, const T* filter, const T* dy, T* dx);
template <typename T>
void PatchFilterGradient(const Conv2dGeometry& geometry, const T* x, const T* dy, ComputeType<T>* dfilter);

}  // namespace cpu
}  // namespace autograd
