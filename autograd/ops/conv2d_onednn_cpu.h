#pragma once

// float32 convolution by oneDNN's direct kernels: images stay channels-last, the filter is reordered into the format
// that the kernel asks for (a pass over the filter for each call). Work is cut into fixed pieces (whole images, or rows
// of an image) that run single-threaded on the engine's threads.

#include <string>

#include "autograd/ops/conv2d_geometry.h"

namespace autograd::cpu {

// What oneDNN calls its kernel for this product (of the first piece): kForward or kInputGradient.
std::string OneDnnConv2dImplementation(Conv2dProduct product, const Conv2dGeometry& geometry);

void OneDnnConv2dForward(const Conv2dGeometry& geometry, const float* x, const float* filter, const float* bias,
                         bool relu, float* y);
void OneDnnConv2dInputGradient(const Conv2dGeometry& geometry, const float* filter, const float* dy, float* dx);

}  // namespace autograd::cpu
