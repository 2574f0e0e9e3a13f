#pragma once

// What follows a product that a library computed: y = activation(y + bias), in place.

#include "autograd/core/array.h"
#include "autograd/core/launch_cuda.h"
#include "autograd/ops/activation.h"
#include "autograd/ops/elementwise_functors.h"

namespace autograd::cuda {

// kWidth neighbours of a row at a time. The sum is also stored to `before` unless that is null.
template <typename Functor, int kWidth, typename T>
__global__ void BiasActivationKernel(int64_t count, int64_t columns, const T* bias, T* before, T* y) {
  using Value = ComputeType<T>;
  for (int64_t i = GridIndex() * kWidth; i < count; i += GridStride() * kWidth) {
    Value values[kWidth], shift[kWidth];
    LoadMany(y + i, values);
    if (bias != nullptr) {
      LoadMany(bias + i % columns, shift);
      for (int k = 0; k < kWidth; ++k) values[k] += shift[k];
    }
    if (before != nullptr) StoreMany(before + i, values);
    for (int k = 0; k < kWidth; ++k) values[k] = Functor::Value(values[k], Value(0), Value(0));
    StoreMany(y + i, values);
  }
}

// y [..., columns], bias [columns] or undefined, before_activation like y or undefined.
inline void AddBiasAndActivate(const char* operation, Stream& stream, const Array& bias, Activation activation,
                               Array& before_activation, Array& y) {
  if (y.size() == 0 || (!bias.defined() && activation == Activation::kNone)) return;
  VisitFloating(operation, y.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t columns = y.shape()[-1];
    const T* shift = bias.defined() ? bias.data<T>() : nullptr;
    T* before = before_activation.defined() ? before_activation.data<T>() : nullptr;
    const bool packed = columns % kSize == 0 && Aligned(shift, before, y.data<T>());
    const auto launch = [&](auto* wide, auto* narrow) {
      if (packed) {
        Launch(operation, stream, Blocks(y.size() / kSize), kBlock, wide, y.size(), columns, shift, before,
               y.data<T>());
      } else {
        Launch(operation, stream, Blocks(y.size()), kBlock, narrow, y.size(), columns, shift, before, y.data<T>());
      }
    };
    switch (activation) {
      case Activation::kNone:
        return launch(&BiasActivationKernel<functors::Identity, kSize, T>,
                      &BiasActivationKernel<functors::Identity, 1, T>);
      case Activation::kRelu:
        return launch(&BiasActivationKernel<functors::Relu, kSize, T>, &BiasActivationKernel<functors::Relu, 1, T>);
      case Activation::kGelu:
        return launch(&BiasActivationKernel<functors::Gelu, kSize, T>, &BiasActivationKernel<functors::Gelu, 1, T>);
    }
  });
}

}  // namespace autograd::cuda
