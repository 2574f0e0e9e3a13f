#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// Everywhere x, y, dy, dx [..., c]; gamma, beta [c] in x's dtype or float32; mean, inverse_deviation and running
// statistics [c] float32 (float64 for float64). Statistics and application are apart, so that replicas can add their
// moments in between.

// moments float64 [2·c + 1]: Σ x, Σ x² and the number of rows.
KERNEL(BatchNormMoments, void(Stream&, const Array& x, Array& moments));

// mean and 1 / sqrt(biased variance + epsilon) of the moments; moves the running statistics.
KERNEL(BatchNormStatistics, void(Stream&, const Array& moments, double epsilon, double momentum, Array& running_mean,
                                 Array& running_variance, Array& mean, Array& inverse_deviation));

// 1 / sqrt(variance + epsilon)
KERNEL(BatchNormInverseDeviation, void(Stream&, const Array& variance, double epsilon, Array& inverse_deviation));

KERNEL(BatchNormNormalize, void(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                                const Array& inverse_deviation, bool relu, Array& y));

// sums float64 [2·c]: Σ dz = dbeta and Σ dz·n = dgamma, where dz is dy behind the ReLU and n the normalised x.
KERNEL(BatchNormGradientSums, void(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                                   const Array& inverse_deviation, bool relu, const Array& dy, Array& sums));

// dx = gamma·inverse_deviation·(dz − (Σ dz + n·Σ dz·n) / rows). `sums` is undefined where the statistics are constants;
// rows is the last of the moments.
KERNEL(BatchNormInputGradient, void(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                                    const Array& inverse_deviation, bool relu, const Array& dy, const Array& sums,
                                    const Array& moments, Array& dx));

}  // namespace autograd
