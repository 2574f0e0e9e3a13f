#pragma once

// Matrix products, row-major: float32 by oneDNN's sgemm, float64 by Eigen, bfloat16 by oneDNN's matmul with sums in
// float32, which needs OneDnnHasAvx512() and is worth its while where OneDnnHasBFloat16() says so (cpu/onednn.h).
//
// The bits of a float32 or bfloat16 product depend on the shape given to oneDNN, so ParallelGemm cuts a product into
// tiles by its shape alone, never by the thread count.

#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/core/weight_layouts.h"

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

// What is done to a product in bfloat16 before it is rounded: c = max(0, op(a)·op(b) + bias).
struct BFloat16Epilogue {
  const BFloat16* bias = nullptr;  // [n], or none
  bool relu = false;
  bool any() const { return bias != nullptr || relu; }
};

// On the calling thread: c = op(a)·op(b), or c += op(a)·op(b). Strides are between rows as stored. For T = Out = float
// or double, and T = BFloat16 with Out = float, or Out = BFloat16 (rounded once, and not accumulated), which alone may
// have an epilogue.
template <typename T, typename Out>
void SerialGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                Out* c, int64_t c_stride, const BFloat16Epilogue& epilogue = {});

// The same over the pool.
template <typename T, typename Out>
void ParallelGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                  Out* c, int64_t c_stride, const BFloat16Epilogue& epilogue = {});

// c [m, n] = a [m, k] · bᵀ, b stored [n, k], over the pool: for few rows and a `b` that comes again, which is kept
// in the layout that oneDNN's matmul picks, in pieces of `layouts`. In the three pairs of T and Out that SerialGemm has
// for float and BFloat16. Needs OneDnnHasAvx512(): elsewhere oneDNN's matmul is its sgemm.
template <typename T, typename Out>
void KeptWeightGemm(int64_t m, int64_t n, int64_t k, const T* a, const T* b, WeightLayouts& layouts, Out* c,
                    const BFloat16Epilogue& epilogue);

}  // namespace autograd::cpu
