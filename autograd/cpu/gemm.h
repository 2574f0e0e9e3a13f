#pragma once

// Matrix products, row-major: float32 by oneDNN's sgemm, float64 by Eigen.
//
// The bits of a float32 product depend on the shape given to sgemm, so ParallelGemm cuts a product into tiles by its
// shape alone, never by the thread count.

#include <cstdint>

#include "autograd/core/array.h"

namespace autograd::cpu {

// c [m, n] = op(a) [m, k] · op(b) [k, n]; a is stored [k, m] when transpose_a, b [n, k] when transpose_b.
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;

  double operations() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};

// How ParallelGemm cuts: `rows` × `columns` tiles of the result, `depth` partial sums over k.
struct GemmTiles {
  int64_t rows = 1, columns = 1, depth = 1;
};
GemmTiles PlanTiles(const GemmShape& shape);

// sgemm reads the operands of small products where they are, and at half the speed when the stride between rows is a
// multiple of 1 or 2 KiB: neighbours down a column then fall into a few sets of the cache. An operand of several
// products is copied once to another stride where that is so.
enum class GemmOperand { kTransposedA, kPlainB };
template <typename T>
class RestridedMatrix {
 public:
  RestridedMatrix(GemmOperand operand, const T* data, int64_t rows, int64_t columns, int64_t stride);
  const T* data() const { return data_; }
  int64_t stride() const { return stride_; }

 private:
  Array copy_;
  const T* data_;
  int64_t stride_;
};

// Elements to leave between rows of `columns` floats so that sgemm reads them well in either role.
int64_t StridePadding(int64_t columns);

// On the calling thread: c = op(a)·op(b), or c += op(a)·op(b). Strides are between rows as stored. For T = float and
// double.
template <typename T>
void SerialGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                T* c, int64_t c_stride);

// The same over the pool.
template <typename T>
void ParallelGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                  T* c, int64_t c_stride);

}  // namespace autograd::cpu
