#include <algorithm>

#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/gemm.h"
#include "autograd/ops/elementwise_functors.h"
#include "autograd/ops/linear_kernels.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/ops/reduce_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Rows of a block: the result of a block should still be in the second-level cache when the epilogue reads it.
constexpr int64_t kBlockElements = 1 << 16;
constexpr int64_t kLeastBlockRows = 192;

// y = f(y + bias) for `rows` rows; the sum is also stored to `before` unless that is null.
template <typename Functor, typename T>
void Epilogue(int64_t rows, int64_t outputs, const T* bias, T* before, T* y) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row = y + r * outputs;
    if (bias != nullptr) {
      for (int64_t j = 0; j < outputs; ++j) row[j] += bias[j];
    }
    if (before != nullptr) std::copy_n(row, outputs, before + r * outputs);
    for (int64_t j = 0; j < outputs; ++j) row[j] = Functor::Value(row[j], T(0), T(0));
  }
}

template <typename T>
void BiasOnly(int64_t rows, int64_t outputs, const T* bias, T* y) {
  if (bias == nullptr) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < outputs; ++j) y[r * outputs + j] += bias[j];
  }
}

template <typename T>
void Forward(const Array& x, const Array& weight, const Array& bias, Activation activation, Array& before_activation,
             Array& y) {
  const int64_t outputs = weight.shape()[0], inputs = weight.shape()[1], rows = y.size() / outputs;
  const T* in = x.data<T>();
  const T* matrix = weight.data<T>();
  const T* shift = bias.defined() ? bias.data<T>() : nullptr;
  T* before = before_activation.defined() ? before_activation.data<T>() : nullptr;
  T* out = y.data<T>();
  const auto epilogue = [&](int64_t begin, int64_t end) {
    T* kept = before == nullptr ? nullptr : before + begin * outputs;
    switch (activation) {
      case Activation::kNone:
        return BiasOnly(end - begin, outputs, shift, out + begin * outputs);
      case Activation::kRelu:
        return Epilogue<functors::Relu>(end - begin, outputs, shift, kept, out + begin * outputs);
      case Activation::kGelu:
        return Epilogue<functors::Gelu>(end - begin, outputs, shift, kept, out + begin * outputs);
    }
  };
  const int64_t block = std::max(kLeastBlockRows, kBlockElements / outputs);
  if (rows < 2 * block) {
    // Few rows: the product is cut by columns too, and the epilogue follows it.
    ParallelGemm({rows, outputs, inputs, false, true}, in, inputs, matrix, inputs, false, out, outputs);
    ParallelFor(rows, std::max<int64_t>(1, (1 << 13) / outputs), epilogue);
    return;
  }
  ParallelPieces((rows + block - 1) / block, [&](int64_t piece) {
    const int64_t begin = piece * block, end = std::min(rows, begin + block);
    SerialGemm({end - begin, outputs, inputs, false, true}, in + begin * inputs, inputs, matrix, inputs, false,
               out + begin * outputs, outputs);
    epilogue(begin, end);
  });
}

}  // namespace

void LinearForward(Stream& stream, const Array& x, const Array& weight, const Array& bias, Activation activation,
                   Array& before_activation, Array& y) {
  if (y.size() == 0) return;
  if (y.dtype() == kFloat64) return Forward<double>(x, weight, bias, activation, before_activation, y);
  if (y.dtype() == kFloat32) return Forward<float>(x, weight, bias, activation, before_activation, y);
  Array result = Array::Empty(y.shape(), kFloat32), before;
  if (before_activation.defined()) before = Array::Empty(y.shape(), kFloat32);
  Forward<float>(Float32Copy(stream, x), Float32Copy(stream, weight), Float32Copy(stream, bias), activation, before,
                 result);
  Convert(stream, result, y);
  if (before.defined()) Convert(stream, before, before_activation);
}

void LinearParameterGradient(Stream& stream, const Array& x, const Array& dy, Array& dweight, Array& dbias) {
  const int64_t outputs = dweight.shape()[0], inputs = dweight.shape()[1], rows = x.shape().rows();
  MatMul(stream, {1, outputs, inputs, rows, true, false, false}, dy, x, dweight);
  SumMiddle(stream, dy, 1, rows, outputs, 1.0, dbias);
}

}  // namespace autograd::cpu
