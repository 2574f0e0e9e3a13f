#include "autograd/core/launch_cuda.h"
#include "autograd/ops/broadcast.h"
#include "autograd/ops/elementwise_kernels.h"

namespace autograd::cuda {
namespace {

// Loops over `count` elements in packs of 16 bytes where the addresses allow it; `map` computes one element of the
// result from the elements of the operands at the same index.
template <typename T, typename Map>
__device__ void MapPacks(const T* x, const T* z, T* y, int64_t count, bool packed, const Map& map) {
  using Value = ComputeType<T>;
  constexpr int kSize = Pack<T>::kSize;
  const int64_t tail = packed ? count / kSize * kSize : 0;
  for (int64_t i = GridIndex() * kSize; i < tail; i += GridStride() * kSize) {
    Value first[kSize], second[kSize];
    LoadMany(x + i, first);
    LoadMany(z + i, second);
    for (int k = 0; k < kSize; ++k) first[k] = map(first[k], second[k]);
    StoreMany(y + i, first);
  }
  for (int64_t i = tail + GridIndex(); i < count; i += GridStride())
    y[i] = static_cast<T>(map(Load(x + i), Load(z + i)));
}

template <typename Functor, typename T, typename Value>
__global__ void UnaryKernel(const T* x, T* y, int64_t count, bool packed, Value a, Value b) {
  MapPacks(x, x, y, count, packed, [=](Value v, Value) { return Functor::Value(v, a, b); });
}

template <typename Functor, typename T, typename Value>
__global__ void UnaryGradientKernel(const T* saved, const T* dy, T* dx, int64_t count, bool packed, Value a, Value b) {
  MapPacks(saved, dy, dx, count, packed,
           [=](Value kept, Value d) { return d * Functor::Derivative(kept, kept, a, b); });
}

// The offsets of element `position` of the result in the two operands.
__device__ inline void Offsets(const BroadcastPlan& plan, int64_t position, int64_t& x, int64_t& z) {
  x = 0;
  z = 0;
  for (int axis = plan.rank - 1; axis >= 0; --axis) {
    const int64_t index = position % plan.extents[axis];
    position /= plan.extents[axis];
    x += index * plan.first_strides[axis];
    z += index * plan.second_strides[axis];
  }
}

template <typename Functor, typename T>
__global__ void BinaryKernel(const T* x, const T* z, T* y, BroadcastPlan plan, bool same, bool packed) {
  using Value = ComputeType<T>;
  if (same) {
    MapPacks(x, z, y, plan.size, packed, [](Value v, Value w) { return Functor::Value(v, w); });
    return;
  }
  for (int64_t i = GridIndex(); i < plan.size; i += GridStride()) {
    int64_t first, second;
    Offsets(plan, i, first, second);
    y[i] = static_cast<T>(Functor::Value(Load(x + first), Load(z + second)));
  }
}

template <typename Functor, typename T>
__global__ void BinaryGradientKernel(const T* x, const T* z, const T* dy, T* gradient, BroadcastPlan plan,
                                     int operand) {
  using Value = ComputeType<T>;
  for (int64_t i = GridIndex(); i < plan.size; i += GridStride()) {
    int64_t first, second;
    Offsets(plan, i, first, second);
    const Value v = Load(x + first), w = Load(z + second);
    const Value slope = operand == 0 ? Functor::FirstDerivative(v, w) : Functor::SecondDerivative(v, w);
    gradient[i] = static_cast<T>(Load(dy + i) * slope);
  }
}

}  // namespace

void Unary(Stream& stream, UnaryFunction function, double a, double b, const Array& x, Array& y) {
  if (x.size() == 0) return;
  VisitFloating("Unary", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const bool packed = Aligned(x.data<T>(), y.data<T>());
    VisitUnary(function, [&]<typename Functor>(Functor) {
      Launch("Unary", stream, BlocksOfPacks<T>(x.size(), packed), kBlock, UnaryKernel<Functor, T, Value>, x.data<T>(),
             y.data<T>(), x.size(), packed, static_cast<Value>(a), static_cast<Value>(b));
    });
  });
}

void UnaryGradient(Stream& stream, UnaryFunction function, double a, double b, const Array& saved, const Array& dy,
                   Array& dx) {
  if (dy.size() == 0) return;
  VisitFloating("UnaryGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const bool packed = Aligned(saved.data<T>(), dy.data<T>(), dx.data<T>());
    VisitUnary(function, [&]<typename Functor>(Functor) {
      Launch("UnaryGradient", stream, BlocksOfPacks<T>(dy.size(), packed), kBlock,
             UnaryGradientKernel<Functor, T, Value>, saved.data<T>(), dy.data<T>(), dx.data<T>(), dy.size(), packed,
             static_cast<Value>(a), static_cast<Value>(b));
    });
  });
}

void Binary(Stream& stream, BinaryFunction function, const Array& x, const Array& z, Array& y) {
  if (y.size() == 0) return;
  const BroadcastPlan plan = PlanBroadcast(y.shape(), x.shape(), z.shape());
  const bool same = x.size() == y.size() && z.size() == y.size();
  VisitFloating("Binary", y.dtype(), [&]<typename T>(T) {
    const bool packed = Aligned(x.data<T>(), z.data<T>(), y.data<T>());
    VisitBinary(function, [&]<typename Functor>(Functor) {
      Launch("Binary", stream, BlocksOfPacks<T>(plan.size, same && packed), kBlock, BinaryKernel<Functor, T>,
             x.data<T>(), z.data<T>(), y.data<T>(), plan, same, packed);
    });
  });
}

void BinaryGradient(Stream& stream, BinaryFunction function, int operand, const Array& x, const Array& z,
                    const Array& dy, Array& gradient) {
  if (dy.size() == 0) return;
  const BroadcastPlan plan = PlanBroadcast(dy.shape(), x.shape(), z.shape());
  VisitFloating("BinaryGradient", dy.dtype(), [&]<typename T>(T) {
    VisitBinary(function, [&]<typename Functor>(Functor) {
      Launch("BinaryGradient", stream, Blocks(plan.size), kBlock, BinaryGradientKernel<Functor, T>, x.data<T>(),
             z.data<T>(), dy.data<T>(), gradient.data<T>(), plan, operand);
    });
  });
}

}  // namespace autograd::cuda
