#pragma once

// Matrix products by cuBLASLt, row-major, with what it can do in the same pass. float32 without TF32; sums in float32
// for bfloat16.

#include <cstdint>

#include "autograd/core/array.h"

namespace autograd::cuda {

enum class GemmEpilogue {
  kNone,
  kBias,          // y += vector [n], broadcast over rows
  kBiasRelu,      // then max(0, ·)
  kBiasGradient,  // vector [m] = sums of op(a) over k: the gradient of a bias, beside that of its weight
};

// y[i] [m, n] = op(a[i]) · op(b[i]) for i < batch; a[i] is stored [k, m] when transpose_a, b[i] [n, k] when
// transpose_b.
struct GemmShape {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  bool b_shared = false;  // b is one matrix
};

// `vector` is read or written by the epilogue; its dtype is y's. False, with nothing done, when cuBLASLt has no
// algorithm for this product with this epilogue. Throws Error naming `operation` where the library is missing or fails.
bool Gemm(const char* operation, Stream& stream, const GemmShape& shape, const Array& a, const Array& b,
          GemmEpilogue epilogue, const Array& vector, Array& y);

}  // namespace autograd::cuda
