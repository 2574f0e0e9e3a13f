#pragma once

// What the cross entropies ask of their operands.

#include "autograd/core/dims.h"
#include "autograd/core/variable.h"
#include "autograd/ops/norm_operands.h"

namespace autograd {

inline void RequireLabels(const Dims& dims, const Variable& logits, const Array& labels) {
  Require(labels.dtype() == kUInt8 || labels.dtype() == kInt32, dims.operation(), "labels must be uint8 or int32, not ",
          labels.dtype(), " ", labels.shape());
  Require(labels.device() == logits.array().device(), dims.operation(), "labels are on ", labels.device(),
          " but logits on ", logits.array().device());
}

// Weights of pixels or classes, where there are any: of the shape that the pattern says.
inline void RequireWeights(Dims& dims, const Variable& logits, const Array& weights, const char* name,
                           const char* pattern) {
  if (!weights.defined()) return;
  dims.Match(weights, pattern);
  RequireParameterType(dims, logits, weights, name);
}

}  // namespace autograd
