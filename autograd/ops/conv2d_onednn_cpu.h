#pragma once

// Convolution by oneDNN's direct kernels, in float32 or bfloat16 (with sums in float32, rounded once): images stay
// channels-last, the filter is reordered into the format that the kernel asks for (a pass over the filter for each
// call, unless WeightLayouts keep the result). Work is cut into fixed pieces (whole images, or rows of an image) that
// run single-threaded on the engine's threads.

#include <string>

#include "autograd/core/weight_layouts.h"
#include "autograd/ops/conv2d_geometry.h"

namespace autograd::cpu {

// What oneDNN calls its kernel for this product (of the first piece): kForward or kInputGradient. All here is for
// T = float and BFloat16.
template <typename T>
std::string OneDnnConv2dImplementation(Conv2dProduct product, const Conv2dGeometry& geometry);

// True where so few positions meet the filter that its copy in the kernel's format is worth its memory.
bool IsWorthKeeping(const Conv2dGeometry& geometry);

template <typename T>
void OneDnnConv2dForward(const Conv2dGeometry& geometry, const T* x, const T* filter, const T* bias, bool relu,
                         WeightLayouts* layouts, T* y);
template <typename T>
void OneDnnConv2dInputGradient(const Conv2dGeometry& geometry, const T* filter, const T* dy, T* dx);

}  // namespace autograd::cpu
