#include "autograd/ops/softmax_kernels.h"
#include "autograd/ops/softmax_rows_cuda.h"

namespace autograd::cuda {
namespace {

// y = exp(x − largest) / Σ, or its logarithm. The second reading of the row finds it in the cache.
template <int kLanes, int kWidth, typename T>
__global__ void ForwardKernel(const T* x, int64_t rows, int64_t width, bool logarithm, T* y) {
  using Value = ComputeType<T>;
  ForEachRow<kLanes>(rows, [&](int64_t r, bool inside) {
    const T* const row = x + r * width;
    const RowExponentials<Value> exponentials = SumExponentials<kLanes, kWidth>(row, width);
    if (!inside) return;
    const Value log_sum = math::Log(exponentials.sum), factor = Value(1) / exponentials.sum;
    for (int64_t c = threadIdx.x % kLanes * kWidth; c < width; c += kLanes * kWidth) {
      Value values[kWidth];
      LoadMany(row + c, values);
      for (int k = 0; k < kWidth; ++k) {
        const Value shifted = values[k] - exponentials.largest;
        values[k] = logarithm ? shifted - log_sum : math::Exp(shifted) * factor;
      }
      StoreMany(y + r * width + c, values);
    }
  });
}

// dx = y·(dy − Σ dy·y), or dy − exp(y)·Σ dy.
template <int kLanes, int kWidth, typename T>
__global__ void GradientKernel(const T* y, const T* dy, int64_t rows, int64_t width, bool logarithm, T* dx) {
  using Value = ComputeType<T>;
  ForEachRow<kLanes>(rows, [&](int64_t r, bool inside) {
    const int64_t first = r * width;
    Value values[kWidth], d[kWidth], sum = 0;
    for (int64_t c = threadIdx.x % kLanes * kWidth; c < width; c += kLanes * kWidth) {
      LoadMany(dy + first + c, d);
      if (!logarithm) LoadMany(y + first + c, values);
      for (int k = 0; k < kWidth; ++k) sum += logarithm ? d[k] : d[k] * values[k];
    }
    sum = LanesSum<kLanes>(sum);
    if (!inside) return;
    for (int64_t c = threadIdx.x % kLanes * kWidth; c < width; c += kLanes * kWidth) {
      LoadMany(dy + first + c, d);
      LoadMany(y + first + c, values);
      for (int k = 0; k < kWidth; ++k) {
        d[k] = logarithm ? d[k] - math::Exp(values[k]) * sum : values[k] * (d[k] - sum);
      }
      StoreMany(dx + first + c, d);
    }
  });
}

}  // namespace

void SoftmaxForward(Stream& stream, const Array& x, bool logarithm, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Softmax", x.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t width = x.shape()[-1], rows = x.shape().rows();
    const auto launch = [&]<int kLanes, int kWidth>(std::integral_constant<int, kLanes>,
                                                    std::integral_constant<int, kWidth>) {
      Launch("Softmax", stream, BlocksForRows<kLanes>(rows), kBlock, ForwardKernel<kLanes, kWidth, T>, x.data<T>(),
             rows, width, logarithm, y.data<T>());
    };
    VisitLanesAndWidth<kSize>(width, width % kSize == 0 && Aligned(x.raw(), y.raw()), launch);
  });
}

void SoftmaxGradient(Stream& stream, const Array& y, const Array& dy, bool logarithm, Array& dx) {
  if (y.size() == 0) return;
  VisitFloating("SoftmaxGradient", y.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t width = y.shape()[-1], rows = y.shape().rows();
    const auto launch = [&]<int kLanes, int kWidth>(std::integral_constant<int, kLanes>,
                                                    std::integral_constant<int, kWidth>) {
      Launch("SoftmaxGradient", stream, BlocksForRows<kLanes>(rows), kBlock, GradientKernel<kLanes, kWidth, T>,
             y.data<T>(), dy.data<T>(), rows, width, logarithm, dx.data<T>());
    };
    VisitLanesAndWidth<kSize>(width, width % kSize == 0 && Aligned(y.raw(), dy.raw(), dx.raw()), launch);
  });
}

}  // namespace autograd::cuda
