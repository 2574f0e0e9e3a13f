#include "autograd/core/launch_cuda.h"
#include "autograd/ops/elementwise_functors.h"
#include "autograd/ops/linear_kernels.h"
#include "autograd/ops/matmul_kernels.h"

namespace autograd::cuda {
namespace {

struct Identity {
  template <typename T>
  HOST_DEVICE static T Value(T x, T, T) {
    return x;
  }
};

// y = f(y + bias), a row of `outputs` at a time; the sum is also stored to `before` unless that is null.
template <typename Functor, typename T>
__global__ void EpilogueKernel(int64_t count, int64_t outputs, const T* bias, T* before, T* y) {
  using Value = ComputeType<T>;
  for (int64_t i = GridIndex(); i < count; i += GridStride()) {
    const Value sum = Load(y + i) + (bias == nullptr ? Value(0) : Load(bias + i % outputs));
    if (before != nullptr) before[i] = static_cast<T>(sum);
    y[i] = static_cast<T>(Functor::Value(sum, Value(0), Value(0)));
  }
}

}  // namespace

void LinearForward(Stream& stream, const Array& x, const Array& weight, const Array& bias, Activation activation,
                   Array& before_activation, Array& y) {
  if (y.size() == 0) return;
  const int64_t outputs = weight.shape()[0], inputs = weight.shape()[1];
  MatMul(stream, {1, y.size() / outputs, outputs, inputs, false, true, false}, x, weight, y);
  if (!bias.defined() && activation == Activation::kNone) return;
  VisitFloating("Linear", y.dtype(), [&]<typename T>(T) {
    const T* shift = bias.defined() ? bias.data<T>() : nullptr;
    T* before = before_activation.defined() ? before_activation.data<T>() : nullptr;
    const auto launch = [&](auto kernel) {
      Launch("Linear", stream, Blocks(y.size()), kBlock, kernel, y.size(), outputs, shift, before, y.data<T>());
    };
    switch (activation) {
      case Activation::kNone:
        return launch(EpilogueKernel<Identity, T>);
      case Activation::kRelu:
        return launch(EpilogueKernel<functors::Relu, T>);
      case Activation::kGelu:
        return launch(EpilogueKernel<functors::Gelu, T>);
    }
  });
}

}  // namespace autograd::cuda
