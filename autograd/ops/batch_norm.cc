#include "autograd/ops/batch_norm.h"

#include "autograd/core/array_kernels.h"
#include "autograd/core/dims.h"
#include "autograd/ops/batch_norm_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {
namespace {

// Saved: x, gamma, beta, mean, inverse deviation and, in training, the moments. `parameters`: gamma and beta are, so
// that their gradients are converted where they are added up.
Gradients BatchNormGradient(const Saved& saved, const Array& dy, Wanted wanted, bool relu, ReplicaSum replicas,
                            bool parameters) {
  Stream& stream = Stream::Current();
  const Array &x = saved[0], &gamma = saved[1], &beta = saved[2], &mean = saved[3], &inverse_deviation = saved[4];
  const bool training = saved.size() == 6;
  const int64_t c = gamma.size();
  Gradients gradients(3);
  Array sums;
  if (wanted[1] || wanted[2] || (wanted[0] && training)) {
    sums = Array::Empty({2 * c}, kFloat64);
    kernels::BatchNormGradientSums(stream, x, gamma, beta, mean, inverse_deviation, relu, dy, sums);
    gradients[1] = sums.Slice(c, 2 * c);
    gradients[2] = sums.Slice(0, c);
    // Each replica keeps its own: parameter gradients are summed over the replicas with all the others.
    if (!parameters || replicas.function != nullptr) {
      for (Array* gradient : {&gradients[1], &gradients[2]}) {
        Array converted = EmptyLike(gamma);
        kernels::Convert(stream, *gradient, converted);
        *gradient = converted;
      }
    }
  }
  if (training && replicas.function != nullptr) replicas.function(sums, replicas.context);
  if (wanted[0]) {
    gradients[0] = EmptyLike(x);
    kernels::BatchNormInputGradient(stream, x, gamma, beta, mean, inverse_deviation, relu, dy,
                                    training ? sums : Array(), training ? saved[5] : Array(), gradients[0]);
  }
  return gradients;
}

}  // namespace

Variable BatchNorm(const Variable& x, const Variable& gamma, const Variable& beta, Array& running_mean,
                   Array& running_variance, bool training, const BatchNormOptions& options) {
  Dims dims("BatchNorm");
  dims.Match(x, "x: ... c").Match(gamma, "gamma: c").Match(beta, "beta: c");
  dims.Match(running_mean, "running_mean: c").Match(running_variance, "running_variance: c");
  dims.Floating(x.array()).SameType(gamma, beta);
  RequireParameterType(dims, x, gamma, "gamma");
  const DType statistics = StatisticsType(x.dtype());
  dims.Is(running_mean, statistics, "running_mean").Is(running_variance, statistics, "running_variance");
  const bool alone = options.replicas.function == nullptr;
  Require(!training || !alone || dims.Leading() > 1, "BatchNorm",
          "needs more than one value a channel in training, x is ", x.shape());

  Stream& stream = Stream::Current();
  const int64_t c = dims["c"];
  Array y = EmptyLike(x.array()), inverse_deviation = Array::Empty({c}, statistics), mean, moments;
  if (training) {
    moments = Array::Empty({2 * c + 1}, kFloat64);
    mean = Array::Empty({c}, statistics);
    kernels::BatchNormMoments(stream, x.array(), moments);
    if (!alone) options.replicas.function(moments, options.replicas.context);
    kernels::BatchNormStatistics(stream, moments, options.epsilon, options.momentum, running_mean, running_variance,
                                 mean, inverse_deviation);
  } else {
    mean = running_mean.Copy();  // training may move it before the backward pass
    kernels::BatchNormInverseDeviation(stream, running_variance, options.epsilon, inverse_deviation);
  }
  kernels::BatchNormNormalize(stream, x.array(), gamma.array(), beta.array(), mean, inverse_deviation, options.relu, y);

  Saved saved = training ? Saved{x.array(), gamma.array(), beta.array(), mean, inverse_deviation, moments}
                         : Saved{x.array(), gamma.array(), beta.array(), mean, inverse_deviation};
  return Record("BatchNorm", y, {x, gamma, beta}, std::move(saved),
                [relu = options.relu, replicas = options.replicas,
                 parameters = gamma.parameter() != nullptr && beta.parameter() != nullptr](
                    const Saved& kept, const Array& dy, Wanted wanted) {
                  return BatchNormGradient(kept, dy, wanted, relu, replicas, parameters);
                });
}

}  // namespace autograd
