#include "autograd/cuda/gemm.h"
#include "autograd/ops/matmul_kernels.h"

namespace autograd::cuda {

void MatMul(Stream& stream, const MatMulPlan& plan, const Array& a, const Array& b, Array& y) {
  if (y.size() == 0) return;
  if (plan.k == 0) return stream.FillZero(y.raw(), y.bytes());
  const bool done =
      Gemm("MatMul", stream, {plan.batch, plan.m, plan.n, plan.k, plan.transpose_a, plan.transpose_b, plan.b_shared}, a,
           b, GemmEpilogue::kNone, Array(), y);
  Require(done, "MatMul", "cuBLASLt has no algorithm for ", plan.batch, " products of ", plan.m, "×", plan.k, " and ",
          plan.k, "×", plan.n);
}

}  // namespace autograd::cuda
