#pragma once

// What the normalisation ops agree on: statistics and parameters may be wider than the activations.

#include "autograd/core/dims.h"
#include "autograd/core/variable.h"

namespace autograd {

// The dtype of statistics, losses and sums over values of `dtype`: float64 for float64, float32 for everything else.
inline DType StatisticsType(DType dtype) { return dtype == kFloat64 ? kFloat64 : kFloat32; }

// `parameter` has x's dtype or that of x's statistics (float32 parameters for bfloat16 activations), and x's device.
inline void RequireParameterType(const Dims& dims, const Variable& x, const Variable& parameter, const char* name) {
  Require(parameter.dtype() == x.dtype() || parameter.dtype() == StatisticsType(x.dtype()), dims.operation(), name,
          " is ", parameter.dtype(), " ", parameter.shape(), " for x ", x.dtype(), " ", x.shape());
  Require(parameter.array().device() == x.array().device(), dims.operation(), name, " is on ",
          parameter.array().device(), " but x on ", x.array().device());
}

// x [n, …, c] seen as images of pixels of channels.
struct ImageExtents {
  explicit ImageExtents(const Array& x) : images(x.shape()[0]), channels(x.shape()[-1]) {
    pixels = images * channels > 0 ? x.size() / (images * channels) : 0;
  }
  int64_t images, channels, pixels = 0;
};

}  // namespace autograd
