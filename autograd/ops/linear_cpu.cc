#include <algorithm>
#include <type_traits>

#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/bias_activation_cpu.h"
#include "autograd/ops/linear_kernels.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/ops/reduce_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Rows of a block: the result of a block should still be in the second-level cache when the epilogue reads it.
constexpr int64_t kBlockElements = 1 << 16;
constexpr int64_t kLeastBlockRows = 192;
// A weight is worth keeping in the product's own layout for so few rows. In float32, on one core with AVX-512, that
// saves 9 % of a product's time with 1024 rows, 17 % with 256, 20 to 39 % with 64 and half with 16; the memory is the
// weight's.
constexpr int64_t kFewRows = 512;

template <typename T>
void Forward(const Array& x, const Array& weight, const Array& bias, Activation activation, WeightLayouts* layouts,
             Array& before_activation, Array& y) {
  const int64_t outputs = weight.shape()[0], inputs = weight.shape()[1], rows = y.size() / outputs;
  const T* in = x.data<T>();
  const T* matrix = weight.data<T>();
  const T* shift = bias.defined() ? bias.data<T>() : nullptr;
  T* before = before_activation.defined() ? before_activation.data<T>() : nullptr;
  T* out = y.data<T>();
  if constexpr (!std::is_same_v<T, double>) {
    if (layouts != nullptr && rows <= kFewRows && inputs > 0 && OneDnnHasAvx512()) {
      return MultiplyWithBiasActivation(activation, rows, outputs, shift, before, out,
                                        [&](auto* result, const auto& epilogue) {
                                          KeptWeightGemm(rows, outputs, inputs, in, matrix, *layouts, result, epilogue);
                                        });
    }
  }
  const int64_t block = std::max(kLeastBlockRows, kBlockElements / outputs);
  if (rows < 2 * block) {
    // Few rows: the product is cut by columns too, and the epilogue follows it.
    MultiplyWithBiasActivation(activation, rows, outputs, shift, before, out, [&](auto* result, const auto& epilogue) {
      ParallelGemm({rows, outputs, inputs, false, true}, in, inputs, matrix, inputs, false, result, outputs, epilogue);
    });
    return;
  }
  const int64_t pieces = EvenPieces(rows / block);
  ParallelPieces(pieces, [&](int64_t piece) {
    const int64_t begin = rows * piece / pieces, end = rows * (piece + 1) / pieces;
    T* kept = before == nullptr ? nullptr : before + begin * outputs;
    MultiplyWithBiasActivation(activation, end - begin, outputs, shift, kept, out + begin * outputs,
                               [&](auto* result, const auto& epilogue) {
                                 SerialGemm({end - begin, outputs, inputs, false, true}, in + begin * inputs, inputs,
                                            matrix, inputs, false, result, outputs, epilogue);
                               });
  });
}

}  // namespace

void LinearForward(Stream& stream, const Array& x, const Array& weight, const Array& bias, Activation activation,
                   WeightLayouts* layouts, Array& before_activation, Array& y) {
  if (y.size() == 0) return;
  if (y.dtype() == kFloat64) return Forward<double>(x, weight, bias, activation, layouts, before_activation, y);
  if (y.dtype() == kFloat32) return Forward<float>(x, weight, bias, activation, layouts, before_activation, y);
  if (OneDnnHasBFloat16()) return Forward<BFloat16>(x, weight, bias, activation, layouts, before_activation, y);
  Array result = Array::Empty(y.shape(), kFloat32), before;
  if (before_activation.defined()) before = Array::Empty(y.shape(), kFloat32);
  Forward<float>(Float32Copy(stream, x), Float32Copy(stream, weight), Float32Copy(stream, bias), activation, nullptr,
                 before, result);
  Convert(stream, result, y);
  if (before.defined()) Convert(stream, before, before_activation);
}

void LinearParameterGradient(Stream& stream, const Array& x, const Array& dy, Array& dweight, Array& dbias) {
  const int64_t outputs = dweight.shape()[0], inputs = dweight.shape()[1], rows = x.shape().rows();
  MatMul(stream, {1, outputs, inputs, rows, true, false, false}, dy, x, dweight);
  SumMiddle(stream, dy, 1, rows, outputs, 1.0, dbias);
}

}  // namespace autograd::cpu
