#pragma once

#include "autograd/core/array_kernels.h"

namespace autograd::cpu {

// x in float32, for kernels that compute bfloat16 operands as whole arrays. An undefined x stays undefined.
inline Array Float32Copy(Stream& stream, const Array& x) {
  if (!x.defined()) return x;
  Array y = Array::Empty(x.shape(), kFloat32);
  Convert(stream, x, y);
  return y;
}

}  // namespace autograd::cpu
