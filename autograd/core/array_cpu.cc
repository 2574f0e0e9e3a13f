#include <algorithm>

#include "autograd/core/array_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

void Fill(Stream&, Array& y, double value) {
  VisitAny("Fill", y.dtype(), [&]<typename T>(T) {
    T* out = y.data<T>();
    const T element = static_cast<T>(static_cast<ComputeType<T>>(value));
    ParallelFor(y.size(), 1 << 16, [=](int64_t begin, int64_t end) { std::fill(out + begin, out + end, element); });
  });
}

void Convert(Stream&, const Array& x, Array& y) {
  VisitFloating("Convert", x.dtype(), [&]<typename From>(From) {
    VisitFloating("Convert", y.dtype(), [&]<typename To>(To) {
      const From* in = x.data<From>();
      To* out = y.data<To>();
      ParallelFor(x.size(), 1 << 15, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          out[i] = static_cast<To>(static_cast<ComputeType<To>>(static_cast<ComputeType<From>>(in[i])));
        }
      });
    });
  });
}

void Accumulate(Stream&, const Array& x, Array& y) {
  VisitFloating("Accumulate", y.dtype(), [&]<typename T>(T) {
    const T* in = x.data<T>();
    T* out = y.data<T>();
    ParallelFor(y.size(), 1 << 15, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        out[i] = static_cast<T>(static_cast<ComputeType<T>>(out[i]) + static_cast<ComputeType<T>>(in[i]));
      }
    });
  });
}

void AccumulateAll(Stream&, std::span<const Addition> additions) {
  for (const Addition& addition : additions) {
    VisitFloating("AccumulateAll", addition.x.dtype(), [&]<typename From>(From) {
      VisitFloating("AccumulateAll", addition.sum.dtype(), [&]<typename To>(To) {
        const From* x = addition.x.data<From>();
        To* sum = Array(addition.sum).data<To>();
        ParallelFor(addition.sum.size(), 1 << 15, [=](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const To added = static_cast<To>(static_cast<ComputeType<To>>(static_cast<ComputeType<From>>(x[i])));
            sum[i] = static_cast<To>(static_cast<ComputeType<To>>(sum[i]) + static_cast<ComputeType<To>>(added));
          }
        });
      });
    });
  }
}

}  // namespace autograd::cpu
