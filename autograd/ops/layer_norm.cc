#include "autograd/ops/layer_norm.h"

#include "autograd/core/dims.h"
#include "autograd/ops/layer_norm_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {

Variable LayerNorm(const Variable& x, const Variable& gamma, const Variable& beta, double epsilon) {
  Dims dims("LayerNorm");
  dims.Match(x, "x: ... c").Match(gamma, "gamma: c").Match(beta, "beta: c").Floating(x.array()).SameType(gamma, beta);
  RequireParameterType(dims, x, gamma, "gamma");

  const DType statistics = StatisticsType(x.dtype());
  Array y = EmptyLike(x.array());
  Array mean = Array::Empty({dims.Leading()}, statistics),
        inverse_deviation = Array::Empty({dims.Leading()}, statistics);
  kernels::LayerNormForward(Stream::Current(), x.array(), gamma.array(), beta.array(), epsilon, y, mean,
                            inverse_deviation);

  return Record("LayerNorm", y, {x, gamma, beta}, Saved{x.array(), gamma.array(), mean, inverse_deviation},
                [](const Saved& saved, const Array& dy, Wanted wanted) {
                  Array dx, dgamma, dbeta;
                  if (wanted[0]) dx = EmptyLike(saved[0]);
                  if (wanted[1] || wanted[2]) {
                    dgamma = EmptyLike(saved[1]);
                    dbeta = EmptyLike(saved[1]);
                  }
                  kernels::LayerNormGradient(Stream::Current(), saved[0], saved[1], saved[2], saved[3], dy, dx, dgamma,
                                             dbeta);
                  return Gradients{dx, dgamma, dbeta};
                });
}

}  // namespace autograd
