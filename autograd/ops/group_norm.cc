#include "autograd/ops/group_norm.h"

#include "autograd/core/dims.h"
#include "autograd/ops/group_norm_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {

Variable GroupNorm(const Variable& x, const Variable& gamma, const Variable& beta, int64_t groups, double epsilon,
                   bool relu) {
  Dims dims("GroupNorm");
  dims.Match(x, "x: ... c").Match(gamma, "gamma: c").Match(beta, "beta: c").Floating(x.array()).SameType(gamma, beta);
  Require(x.rank() >= 2, "GroupNorm", "x has shape ", x.shape(), " but must be [ n ... c ]");
  RequireParameterType(dims, x, gamma, "gamma");
  Require(groups > 0 && dims["c"] % groups == 0, "GroupNorm", "c is ", dims["c"], " in x ", x.shape(),
          ", not a multiple of ", groups, " groups");

  const DType statistics = StatisticsType(x.dtype());
  const Shape shape{x.shape()[0], groups};
  Array y = EmptyLike(x.array()), mean = Array::Empty(shape, statistics),
        inverse_deviation = Array::Empty(shape, statistics);
  kernels::GroupNormForward(Stream::Current(), x.array(), gamma.array(), beta.array(), epsilon, relu, y, mean,
                            inverse_deviation);

  return Record("GroupNorm", y, {x, gamma, beta},
                Saved{x.array(), gamma.array(), beta.array(), mean, inverse_deviation},
                [relu](const Saved& saved, const Array& dy, Wanted) {
                  Array dx = EmptyLike(saved[0]), dgamma = EmptyLike(saved[1]), dbeta = EmptyLike(saved[1]);
                  kernels::GroupNormGradient(Stream::Current(), saved[0], saved[1], saved[2], saved[3], saved[4], relu,
                                             dy, dx, dgamma, dbeta);
                  return Gradients{dx, dgamma, dbeta};
                });
}

}  // namespace autograd
