#include "autograd/ops/grn.h"

#include "autograd/core/dims.h"
#include "autograd/ops/grn_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {
namespace {

Variable GrnOp(const char* operation, const Variable& x, const Variable& weight, const Variable& bias, double epsilon,
               bool gelu) {
  Dims dims(operation);
  dims.Match(x, "x: ... c")
      .Match(weight, "weight: c")
      .Match(bias, "bias: c")
      .Floating(x.array())
      .SameType(weight, bias);
  Require(x.rank() >= 2, operation, "x has shape ", x.shape(), " but must be [ n ... c ]");
  RequireParameterType(dims, x, weight, "weight");

  Array y = EmptyLike(x.array()), norms = Array::Empty({x.shape()[0], dims["c"]}, StatisticsType(x.dtype()));
  kernels::GrnForward(Stream::Current(), x.array(), weight.array(), bias.array(), epsilon, gelu, y, norms);

  return Record(operation, y, {x, weight, bias}, Saved{x.array(), weight.array(), norms},
                [epsilon, gelu](const Saved& saved, const Array& dy, Wanted) {
                  Array dx = EmptyLike(saved[0]), dweight = EmptyLike(saved[1]), dbias = EmptyLike(saved[1]);
                  kernels::GrnGradient(Stream::Current(), saved[0], saved[1], saved[2], epsilon, gelu, dy, dx, dweight,
                                       dbias);
                  return Gradients{dx, dweight, dbias};
                });
}

}  // namespace

Variable Grn(const Variable& x, const Variable& weight, const Variable& bias, double epsilon) {
  return GrnOp("Grn", x, weight, bias, epsilon, false);
}

Variable GeluGrn(const Variable& x, const Variable& weight, const Variable& bias, double epsilon) {
  return GrnOp("GeluGrn", x, weight, bias, epsilon, true);
}

}  // namespace autograd
