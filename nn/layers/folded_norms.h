#pragma once

// Batch normalisation folded into the convolution before it, for evaluation: with the running statistics it is an
// affine map of each channel, so that one convolution with other numbers does both (and ReLU in its epilogue).

#include <map>
#include <utility>

#include "nn/context.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace nn {

// The folded filters of a network, each made at its first use. Right as long as no parameter and no running statistic
// changes: whoever evaluates makes one and lets go of it afterwards (Context::folded_norms). For one thread at a time.
class FoldedNorms {
 public:
  struct Convolution {
    Variable filter, bias;  // in the dtype asked for
  };

  // filter·γ/√(σ² + ε) and β + (bias − μ)·γ/√(σ² + ε), computed in float64 and rounded once.
  const Convolution& Of(Conv2d& conv, BatchNorm2d& norm, autograd::DType dtype);

 private:
  std::map<std::pair<const BatchNorm2d*, autograd::DType>, Convolution> convolutions_;
};

// norm(conv(x)), and max(0, ·) of it with `relu`. Folded where the context has FoldedNorms and nothing is recorded:
// equal up to rounding.
Variable ConvolveAndNormalize(Conv2d& conv, BatchNorm2d& norm, const Variable& x, const Context& context, bool relu);

}  // namespace nn
