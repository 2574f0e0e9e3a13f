#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

constexpr int64_t kManyProducts = 4;

template <typename T>
void Multiply(const MatMulPlan& plan, const Array& a, const Array& b, Array& y) {
  const GemmShape shape{plan.m, plan.n, plan.k, plan.transpose_a, plan.transpose_b};
  const int64_t a_stride = plan.transpose_a ? plan.m : plan.k, b_stride = plan.transpose_b ? plan.k : plan.n;
  const T* first = a.data<T>();
  const T* second = b.data<T>();
  T* out = y.data<T>();
  if (plan.batch == 1) {
    ParallelGemm(shape, first, a_stride, second, b_stride, false, out, plan.n);
    return;
  }
  // Small products of a batch each stay on one thread; large ones are cut themselves.
  const auto one = [&](auto&& multiply, int64_t i) {
    multiply(shape, first + i * plan.a_size(), a_stride, second + (plan.b_shared ? 0 : i * plan.b_size()), b_stride,
             false, out + i * plan.y_size(), plan.n, BFloat16Epilogue());
  };
  const GemmTiles tiles = PlanTiles(shape);
  if (tiles.rows * tiles.columns * tiles.depth > (plan.batch < kManyProducts ? 1 : kManyProducts)) {
    for (int64_t i = 0; i < plan.batch; ++i) one(ParallelGemm<T, T>, i);
    return;
  }
  const auto grain = static_cast<int64_t>(1e6 / (shape.operations() + 1)) + 1;
  ParallelFor(plan.batch, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(SerialGemm<T, T>, i);
  });
}

}  // namespace

void MatMul(Stream& stream, const MatMulPlan& plan, const Array& a, const Array& b, Array& y) {
  if (y.size() == 0) return;
  if (y.dtype() == kFloat64) return Multiply<double>(plan, a, b, y);
  if (y.dtype() == kFloat32) return Multiply<float>(plan, a, b, y);
  if (OneDnnHasBFloat16()) return Multiply<BFloat16>(plan, a, b, y);
  Array product = Array::Empty(y.shape(), kFloat32);
  Multiply<float>(plan, Float32Copy(stream, a), Float32Copy(stream, b), product);
  Convert(stream, product, y);
}

}  // namespace autograd::cpu

namespace autograd {

bool CpuMultipliesBFloat16() { return cpu::OneDnnHasBFloat16(); }

}  // namespace autograd
