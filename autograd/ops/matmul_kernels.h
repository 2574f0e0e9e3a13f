#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// y[i] [m, n] = op(a[i]) · op(b[i]) for i < batch. An operand is stored as it is before `op`: a[i] is [k, m] when
// transpose_a.
struct MatMulPlan {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  bool b_shared = false;  // b is one matrix

  int64_t a_size() const { return m * k; }
  int64_t b_size() const { return k * n; }
  int64_t y_size() const { return m * n; }
};

// A shared b under an untransposed a is one product with batch·m rows.
inline MatMulPlan Flattened(MatMulPlan plan) {
  if (plan.batch == 1 || (plan.b_shared && !plan.transpose_a)) {
    plan.m *= plan.batch;
    plan.batch = 1;
    plan.b_shared = false;
  }
  return plan;
}

KERNEL(MatMul, void(Stream&, const MatMulPlan& plan, const Array& a, const Array& b, Array& y));

}  // namespace autograd
