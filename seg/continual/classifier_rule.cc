#include "seg/continual/classifier_rule.h"

#include <cmath>
#include <vector>

#include "autograd/core/dims.h"

namespace seg {
namespace {

using autograd::Array;

template <typename T>
ClassifierParameters Extended(const Array& weight, const Array& bias, int64_t new_classes) {
  const int64_t classes = weight.shape()[0] + new_classes, inputs = weight.shape()[1];
  std::vector<T> weights = weight.ToVector<T>(), biases = bias.ToVector<T>();
  const std::vector<T> background(weights.begin(), weights.begin() + inputs);
  biases[0] = static_cast<T>(static_cast<double>(biases[0]) - std::log1p(static_cast<double>(new_classes)));
  for (int64_t i = 0; i < new_classes; ++i) {
    weights.insert(weights.end(), background.begin(), background.end());
    biases.push_back(biases[0]);
  }
  return {Array::From({classes, inputs}, weights), Array::From({classes}, biases)};
}

}  // namespace

ClassifierParameters AddClasses(const Array& weight, const Array& bias, int64_t new_classes) {
  autograd::Dims dims("AddClasses");
  dims.Match(weight, "weight: classes inputs").Match(bias, "bias: classes").SameType(weight, bias);
  autograd::Require(dims["classes"] >= 1 && new_classes >= 1, dims.operation(), new_classes, " new classes for weight ",
                    weight.shape());
  autograd::Require(weight.dtype() == autograd::kFloat32 || weight.dtype() == autograd::kFloat64, dims.operation(),
                    "needs float32 or float64, not ", weight.dtype());
  return weight.dtype() == autograd::kFloat64 ? Extended<double>(weight, bias, new_classes)
                                              : Extended<float>(weight, bias, new_classes);
}

}  // namespace seg
