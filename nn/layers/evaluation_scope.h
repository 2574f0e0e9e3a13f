#pragma once

// What only an evaluation can do with a network's weights, because they do not change meanwhile.

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "autograd/core/weight_layouts.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace nn {

// While one lives, passes of its thread that record nothing
//   * fold batch normalisations into the convolutions before them: with the running statistics they are an affine map
//     of each channel, so that one convolution with other numbers does both (ConvolveAndNormalize);
//   * keep weights that meet few rows in the layouts that the CPU's products want (autograd/core/weight_layouts.h).
// Results are equal up to rounding. Each weight is prepared at its first use and let go of with the scope; a parameter
// that has changed meanwhile is an Error. Running statistics have no version: whoever trains ends the scope first.
class EvaluationScope {
 public:
  EvaluationScope();
  ~EvaluationScope();
  EvaluationScope(const EvaluationScope&) = delete;
  EvaluationScope& operator=(const EvaluationScope&) = delete;

  // The thread's outermost, whose weights those within it use too, or null.
  static EvaluationScope* Current();

  struct Convolution {
    Variable filter, bias;  // in the dtype asked for
    autograd::WeightLayouts layouts;
    std::array<uint64_t, 4> versions;  // of the filter, its bias, γ and β
  };
  // filter·γ/√(σ² + ε) and β + (bias − μ)·γ/√(σ² + ε), computed in float64 and rounded once.
  Convolution& Folded(Conv2d& conv, BatchNorm2d& norm, autograd::DType dtype);

  // Of a parameter's value or its copy in bfloat16.
  autograd::WeightLayouts* LayoutsOf(const Parameter& parameter, autograd::DType dtype);

 private:
  struct Weight {
    Array value;  // which keeps its address from being another's
    uint64_t version;
    autograd::WeightLayouts layouts;
  };
  std::map<std::pair<const BatchNorm2d*, autograd::DType>, Convolution> convolutions_;
  std::map<std::pair<const void*, autograd::DType>, Weight> weights_;
};

// The layouts that the thread's scope keeps for a weight of a product of x; null without one, or where the product is
// recorded.
autograd::WeightLayouts* LayoutsOf(const Variable& x, Parameter& weight);

}  // namespace nn
