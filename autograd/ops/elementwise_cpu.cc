#include <algorithm>

#include "autograd/ops/broadcast.h"
#include "autograd/ops/elementwise_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

constexpr int64_t kGrain = 1 << 14;

// Calls body(offset in y, offset in x, offset in z, length) for each innermost run of the plan in [begin, end).
template <typename Body>
void ForEachRun(const BroadcastPlan& plan, int64_t begin, int64_t end, const Body& body) {
  const int last = plan.rank - 1;
  const int64_t inner = plan.extents[last];
  for (int64_t position = begin; position < end;) {
    int64_t row = position / inner, column = position % inner, x = column * plan.first_strides[last],
            z = column * plan.second_strides[last];
    for (int i = last - 1; i >= 0; --i) {
      const int64_t index = row % plan.extents[i];
      row /= plan.extents[i];
      x += index * plan.first_strides[i];
      z += index * plan.second_strides[i];
    }
    const int64_t length = std::min(inner - column, end - position);
    body(position, x, z, length);
    position += length;
  }
}

// y[i] = f(x[i·sx], z[i·sz], i) with the strides 0 and 1 known to the compiler, so that the loops vectorise.
template <typename Function>
void StridedLoop(int64_t length, int64_t sx, int64_t sz, const Function& function) {
  if (sx == 1 && sz == 1) {
    for (int64_t i = 0; i < length; ++i) function(i, i, i);
  } else if (sx == 1 && sz == 0) {
    for (int64_t i = 0; i < length; ++i) function(i, i, int64_t{0});
  } else if (sx == 0 && sz == 1) {
    for (int64_t i = 0; i < length; ++i) function(i, int64_t{0}, i);
  } else {
    for (int64_t i = 0; i < length; ++i) function(i, i * sx, i * sz);
  }
}

}  // namespace

void Unary(Stream&, UnaryFunction function, double a, double b, const Array& x, Array& y) {
  VisitFloating("Unary", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const Value first = static_cast<Value>(a), second = static_cast<Value>(b);
    VisitUnary(function, [&]<typename Functor>(Functor) {
      ParallelFor(x.size(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          out[i] = static_cast<T>(Functor::Value(static_cast<Value>(in[i]), first, second));
      });
    });
  });
}

void UnaryGradient(Stream&, UnaryFunction function, double a, double b, const Array& saved, const Array& dy,
                   Array& dx) {
  VisitFloating("UnaryGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* kept = saved.data<T>();
    const T* upstream = dy.data<T>();
    T* out = dx.data<T>();
    const Value first = static_cast<Value>(a), second = static_cast<Value>(b);
    VisitUnary(function, [&]<typename Functor>(Functor) {
      ParallelFor(dy.size(), kGrain, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const Value value = static_cast<Value>(kept[i]);
          out[i] = static_cast<T>(static_cast<Value>(upstream[i]) * Functor::Derivative(value, value, first, second));
        }
      });
    });
  });
}

void Binary(Stream&, BinaryFunction function, const Array& x, const Array& z, Array& y) {
  const BroadcastPlan plan = PlanBroadcast(y.shape(), x.shape(), z.shape());
  VisitFloating("Binary", y.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* first = x.data<T>();
    const T* second = z.data<T>();
    T* out = y.data<T>();
    VisitBinary(function, [&]<typename Functor>(Functor) {
      ParallelFor(plan.size, kGrain, [&](int64_t begin, int64_t end) {
        ForEachRun(plan, begin, end, [&](int64_t offset, int64_t ox, int64_t oz, int64_t length) {
          const T* px = first + ox;
          const T* pz = second + oz;
          T* py = out + offset;
          StridedLoop(length, plan.first_strides[plan.rank - 1], plan.second_strides[plan.rank - 1],
                      [=](int64_t i, int64_t ix, int64_t iz) {
                        py[i] = static_cast<T>(Functor::Value(static_cast<Value>(px[ix]), static_cast<Value>(pz[iz])));
                      });
        });
      });
    });
  });
}

void BinaryGradient(Stream&, BinaryFunction function, int operand, const Array& x, const Array& z, const Array& dy,
                    Array& gradient) {
  const BroadcastPlan plan = PlanBroadcast(dy.shape(), x.shape(), z.shape());
  VisitFloating("BinaryGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* first = x.data<T>();
    const T* second = z.data<T>();
    const T* upstream = dy.data<T>();
    T* out = gradient.data<T>();
    VisitBinary(function, [&]<typename Functor>(Functor) {
      ParallelFor(plan.size, kGrain, [&](int64_t begin, int64_t end) {
        ForEachRun(plan, begin, end, [&](int64_t offset, int64_t ox, int64_t oz, int64_t length) {
          const T* px = first + ox;
          const T* pz = second + oz;
          const T* pdy = upstream + offset;
          T* pg = out + offset;
          StridedLoop(length, plan.first_strides[plan.rank - 1], plan.second_strides[plan.rank - 1],
                      [=](int64_t i, int64_t ix, int64_t iz) {
                        const Value vx = static_cast<Value>(px[ix]), vz = static_cast<Value>(pz[iz]);
                        const Value slope =
                            operand == 0 ? Functor::FirstDerivative(vx, vz) : Functor::SecondDerivative(vx, vz);
                        pg[i] = static_cast<T>(static_cast<Value>(pdy[i]) * slope);
                      });
        });
      });
    });
  });
}

}  // namespace autograd::cpu
