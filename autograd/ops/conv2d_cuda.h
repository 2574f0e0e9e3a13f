#pragma once

// The two sides of a convolution on CUDA: cuDNN (conv2d_cuda.cc) and our own kernels for what it does not take
// (conv2d_cuda.cu).

#include <string>

#include "autograd/core/array.h"
#include "autograd/ops/conv2d_geometry.h"
#include "autograd/runtime/stream.h"

namespace autograd::cuda {

// result = the product of the two others: y of x and filter, dx of filter and dy, dfilter of x and dy. False when cuDNN
// has no plan for it (float64, for one), and nothing was done. Throws Error where cuDNN is missing.
bool Conv2dByCudnn(Stream& stream, Conv2dProduct product, const Conv2dGeometry& geometry, const Array& x,
                   const Array& filter, const Array& y);

// What cuDNN says against the description of this product, or "". Needs the library, not a device.
std::string CudnnObjection(Conv2dProduct product, const Conv2dGeometry& geometry, DType dtype);

}  // namespace autograd::cuda
