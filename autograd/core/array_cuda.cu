#include "autograd/core/array_kernels.h"
#include "autograd/core/launch_cuda.h"

namespace autograd::cuda {
namespace {

template <typename T>
__global__ void FillKernel(T* y, int64_t count, T value) {
  for (int64_t i = GridIndex(); i < count; i += GridStride()) y[i] = value;
}

template <typename From, typename To>
__global__ void ConvertKernel(const From* x, To* y, int64_t count) {
  for (int64_t i = GridIndex(); i < count; i += GridStride()) {
    y[i] = static_cast<To>(static_cast<ComputeType<To>>(Load(x + i)));
  }
}

template <typename T>
__global__ void AccumulateKernel(const T* x, T* y, int64_t count) {
  for (int64_t i = GridIndex(); i < count; i += GridStride()) y[i] = static_cast<T>(Load(y + i) + Load(x + i));
}

}  // namespace

void Fill(Stream& stream, Array& y, double value) {
  if (y.size() == 0) return;
  VisitAny("Fill", y.dtype(), [&]<typename T>(T) {
    Launch("Fill", stream, Blocks(y.size()), kBlock, FillKernel<T>, y.data<T>(), y.size(),
           static_cast<T>(static_cast<ComputeType<T>>(value)));
  });
}

void Convert(Stream& stream, const Array& x, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Convert", x.dtype(), [&]<typename From>(From) {
    VisitFloating("Convert", y.dtype(), [&]<typename To>(To) {
      Launch("Convert", stream, Blocks(x.size()), kBlock, ConvertKernel<From, To>, x.data<From>(), y.data<To>(),
             x.size());
    });
  });
}

void Accumulate(Stream& stream, const Array& x, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Accumulate", y.dtype(), [&]<typename T>(T) {
    Launch("Accumulate", stream, Blocks(x.size()), kBlock, AccumulateKernel<T>, x.data<T>(), y.data<T>(), x.size());
  });
}

}  // namespace autograd::cuda
