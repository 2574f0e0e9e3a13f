#pragma once

// The passes that cuBLASLt can join to a product (linear_cuda.cc); linear_cuda.cu does them one after the other where
// it cannot.

#include "autograd/core/array.h"
#include "autograd/runtime/stream.h"

namespace autograd::cuda {

// y [rows, outputs] = x·weightᵀ + bias, with relu then max(0, ·). False when it was not done.
bool LinearInOnePass(Stream& stream, const Array& x, const Array& weight, const Array& bias, bool relu, Array& y);

// dweight [outputs, inputs] = dyᵀ·x and dbias [outputs] = Σ over rows of dy. False when it was not done.
bool ParameterGradientInOnePass(Stream& stream, const Array& x, const Array& dy, Array& dweight, Array& dbias);

}  // namespace autograd::cuda
