#pragma once

// 3×3 convolutions of stride 1 by Winograd's minimal filtering F(2×2, 3×3) (winograd_transforms_cpu.h): 16
// multiplications for each 2×2 results of a pair of channels where the definition has 36. A dilated convolution is one
// convolution for each of its dilation² phases.

#include "autograd/core/weight_layouts.h"
#include "autograd/ops/conv2d_geometry.h"

namespace autograd::cpu {

// True where the functions below compute this product.
bool WinogradFits(Conv2dProduct product, const Conv2dGeometry& geometry);

// True where they take clearly less time than the definition's multiplications: many channels, and tiles that are
// nearly full. By the shape alone.
bool WinogradPays(Conv2dProduct product, const Conv2dGeometry& geometry);

// For T = float and double; `bias` may be null, and so may `layouts`, which keep the transformed filter.
template <typename T>
void WinogradForward(const Conv2dGeometry& geometry, const T* x, const T* filter, const T* bias, bool relu,
                     WeightLayouts* layouts, T* y);
template <typename T>
void WinogradInputGradient(const Conv2dGeometry& geometry, const T* filter, const T* dy, T* dx);
template <typename T>
void WinogradFilterGradient(const Conv2dGeometry& geometry, const T* x, const T* dy, T* dfilter);

}  // namespace autograd::cpu
