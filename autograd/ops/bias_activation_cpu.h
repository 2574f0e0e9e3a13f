#pragma once

// What follows a product: y = activation(product + bias), rounded once.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "autograd/cpu/gemm.h"
#include "autograd/cpu/scratch.h"
#include "autograd/ops/activation.h"
#include "autograd/ops/elementwise_functors.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

// y = f(sums + bias) for `rows` rows of `outputs`; the sum is also stored to `before` unless that is null, and `bias`
// may be null. `sums` may be y.
template <typename Functor, typename T>
void BiasActivationRows(int64_t rows, int64_t outputs, const ComputeType<T>* sums, const T* bias, T* before, T* y) {
  using Sum = ComputeType<T>;
  for (int64_t r = 0; r < rows; ++r) {
    const Sum* from = sums + r * outputs;
    T* to = y + r * outputs;
    // The compiler cannot know that `from` is `to` or does not touch it.
    if (before != nullptr) {
      T* kept = before + r * outputs;
#pragma GCC ivdep
      for (int64_t j = 0; j < outputs; ++j) {
        const Sum value = bias == nullptr ? from[j] : from[j] + static_cast<Sum>(bias[j]);
        kept[j] = static_cast<T>(value);
        to[j] = static_cast<T>(Functor::Value(value, Sum(0), Sum(0)));
      }
    } else if (bias != nullptr) {
#pragma GCC ivdep
      for (int64_t j = 0; j < outputs; ++j)
        to[j] = static_cast<T>(Functor::Value(from[j] + static_cast<Sum>(bias[j]), Sum(0), Sum(0)));
    } else {
#pragma GCC ivdep
      for (int64_t j = 0; j < outputs; ++j) to[j] = static_cast<T>(Functor::Value(from[j], Sum(0), Sum(0)));
    }
  }
}

template <typename T>
void BiasActivation(Activation activation, int64_t rows, int64_t outputs, const ComputeType<T>* sums, const T* bias,
                    T* before, T* y) {
  ParallelFor(rows, std::max<int64_t>(1, (1 << 14) / outputs), [&](int64_t begin, int64_t end) {
    const auto run = [&](auto functor) {
      BiasActivationRows<decltype(functor)>(end - begin, outputs, sums + begin * outputs, bias,
                                            before == nullptr ? nullptr : before + begin * outputs,
                                            y + begin * outputs);
    };
    switch (activation) {
      case Activation::kNone:
        return run(functors::Identity());
      case Activation::kRelu:
        return run(functors::Relu());
      case Activation::kGelu:
        return run(functors::Gelu());
    }
  });
}

// `multiply(c, epilogue)` stores a product [rows, outputs] to c, for c of T and of the type that T is summed in, and
// does what `epilogue` says. c is y, but for a bfloat16 y behind GELU (which the product's epilogue has not): then
// memory of its own, so that y is rounded once.
template <typename T, typename Multiply>
void MultiplyWithBiasActivation(Activation activation, int64_t rows, int64_t outputs, const T* bias, T* before, T* y,
                                const Multiply& multiply) {
  if constexpr (std::is_same_v<T, ComputeType<T>>) {
    multiply(y, BFloat16Epilogue());
    if (bias != nullptr || activation != Activation::kNone)
      BiasActivation(activation, rows, outputs, y, bias, before, y);
  } else {
    if (activation != Activation::kGelu) return multiply(y, BFloat16Epilogue{bias, activation == Activation::kRelu});
    Scratch<ComputeType<T>> sums(rows * outputs);
    multiply(sums.data(), BFloat16Epilogue());
    BiasActivation(activation, rows, outputs, sums.data(), bias, before, y);
  }
}

}  // namespace autograd::cpu
