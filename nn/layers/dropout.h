#pragma once

#include "autograd/ops/dropout.h"
#include "nn/context.h"
#include "nn/module.h"

namespace nn {

// Regularisers without parameters: the identity in evaluation.

// Each element by itself.
struct Dropout {
  double rate = 0;
  Variable operator()(const Variable& x, const Context& context) const {
    return autograd::Dropout(x, rate, context.training, context.key, context.first_sample);
  }
};

// Whole channels of an image (mmseg's heads).
struct Dropout2d {
  double rate = 0;
  Variable operator()(const Variable& x, const Context& context) const {
    return autograd::Dropout2d(x, rate, context.training, context.key, context.first_sample);
  }
};

// Whole samples of a residual branch (stochastic depth).
struct DropPath {
  double rate = 0;
  Variable operator()(const Variable& x, const Context& context) const {
    return autograd::DropPath(x, rate, context.training, context.key, context.first_sample);
  }
  // x + this(branch)
  Variable Residual(const Variable& x, const Variable& branch, const Context& context) const {
    return autograd::ResidualDropPath(x, branch, rate, context.training, context.key, context.first_sample);
  }
};

// The rate of block `index` of `count`: linear from 0 at the first to `last_rate` at the last, as timm and iSeg have
// it.
inline double DropPathRate(double last_rate, int64_t index, int64_t count) {
  return count > 1 ? last_rate * static_cast<double>(index) / static_cast<double>(count - 1) : 0;
}

}  // namespace nn
