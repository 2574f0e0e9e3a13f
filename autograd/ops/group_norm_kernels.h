#pragma once

#include "autograd/core/array.h"
#include "autograd/ops/norm_operands.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

struct GroupExtents : ImageExtents {
  GroupExtents(const Array& x, const Array& mean)
      : ImageExtents(x), groups(mean.shape()[1]), width(channels / groups) {}
  int64_t groups, width;  // channels of a group
};

// x, y [n, …, c]; mean, inverse_deviation [n, groups] float32 (float64 for float64), whose shape tells the groups.
KERNEL(GroupNormForward, void(Stream&, const Array& x, const Array& gamma, const Array& beta, double epsilon, bool relu,
                              Array& y, Array& mean, Array& inverse_deviation));

// All gradients; dgamma and dbeta in gamma's dtype.
KERNEL(GroupNormGradient,
       void(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
            const Array& inverse_deviation, bool relu, const Array& dy, Array& dx, Array& dgamma, Array& dbeta));

}  // namespace autograd
