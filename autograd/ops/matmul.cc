#include "autograd/ops/matmul.h"

#include "autograd/core/dims.h"
#include "autograd/ops/matmul_kernels.h"
#include "autograd/ops/reduce_kernels.h"

namespace autograd {
namespace {

Array Product(const MatMulPlan& plan, const Array& a, const Array& b, const Shape& shape) {
  Array y = Array::Empty(shape, a.dtype());
  kernels::MatMul(Stream::Current(), Flattened(plan), a, b, y);
  return y;
}

// da, stored as a is: dy·op(b)ᵀ, or its transpose op(b)·dyᵀ.
Array FirstGradient(const MatMulPlan& plan, const Array& b, const Array& dy, const Shape& shape) {
  MatMulPlan gradient{plan.batch, plan.m, plan.k, plan.n, false, !plan.transpose_b, plan.b_shared};
  if (!plan.transpose_a) return Product(gradient, dy, b, shape);
  if (plan.b_shared) {
    // The shared operand would come first, which no plan has: one product for each matrix.
    Array da = Array::Empty(shape, dy.dtype());
    const Array upstream = dy.Reshape({plan.batch, plan.m, plan.n}), flat = da.Reshape({plan.batch, plan.k, plan.m});
    const MatMulPlan one{1, plan.k, plan.m, plan.n, plan.transpose_b, true, false};
    for (int64_t i = 0; i < plan.batch; ++i) {
      Array slice = flat.Slice(i, i + 1);
      kernels::MatMul(Stream::Current(), one, b, upstream.Slice(i, i + 1), slice);
    }
    return da;
  }
  gradient = {plan.batch, plan.k, plan.m, plan.n, plan.transpose_b, true, false};
  return Product(gradient, b, dy, shape);
}

// db, stored as b is: op(a)ᵀ·dy, or its transpose dyᵀ·op(a); summed over the batch when b is shared.
Array SecondGradient(const MatMulPlan& plan, const Array& a, const Array& dy, const Shape& shape) {
  MatMulPlan flat = plan;
  if (plan.b_shared && !plan.transpose_a) flat = Flattened(plan);
  const MatMulPlan gradient = plan.transpose_b
                                  ? MatMulPlan{flat.batch, flat.n, flat.k, flat.m, true, flat.transpose_a, false}
                                  : MatMulPlan{flat.batch, flat.k, flat.n, flat.m, !flat.transpose_a, false, false};
  const Array& first = plan.transpose_b ? dy : a;
  const Array& second = plan.transpose_b ? a : dy;
  if (!flat.b_shared) return Product(gradient, first, second, shape);
  const Array each = Product(gradient, first, second, {flat.batch, shape[0], shape[1]});
  Array db = Array::Empty(shape, dy.dtype());
  kernels::SumMiddle(Stream::Current(), each, 1, flat.batch, db.size(), 1.0, db);
  return db;
}

}  // namespace

Variable MatMul(const Variable& a, const Variable& b, bool transpose_a, bool transpose_b) {
  Dims dims("MatMul");
  dims.Match(a, transpose_a ? "a: ... k m" : "a: ... m k");
  const bool b_shared = b.rank() == 2 && a.rank() > 2;
  if (b_shared) {
    dims.Match(b, transpose_b ? "b: n k" : "b: k n");
  } else {
    dims.Match(b, transpose_b ? "b: ... n k" : "b: ... k n");
  }
  dims.SameType(a, b).Floating(a.array());
  const MatMulPlan plan{dims.Leading(), dims["m"], dims["n"], dims["k"], transpose_a, transpose_b, b_shared};
  Shape shape = a.shape();
  shape.Set(-2, plan.m);
  shape.Set(-1, plan.n);

  Array y = Product(plan, a.array(), b.array(), shape);

  return Record("MatMul", y, {a, b}, Saved{a.array(), b.array()},
                [plan](const Saved& saved, const Array& dy, Wanted wanted) {
                  Gradients gradients(2);
                  if (wanted[0]) gradients[0] = FirstGradient(plan, saved[1], dy, saved[0].shape());
                  if (wanted[1]) gradients[1] = SecondGradient(plan, saved[0], dy, saved[1].shape());
                  return gradients;
                });
}

}  // namespace autograd
