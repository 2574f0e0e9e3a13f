#include "rl/objectives/policy_gradient.h"

#include "autograd/core/dims.h"
#include "autograd/ops/elementwise.h"

namespace rl {

using autograd::Array;
using autograd::Variable;

Variable PolicyGradient(const Variable& log_probability, const Array& advantage) {
  autograd::Dims dims("PolicyGradient");
  dims.Match(log_probability, "log_probability: ...")
      .Match(advantage, "advantage: ...")
      .SameType(log_probability.array(), advantage);
  return autograd::Negative(autograd::Multiply(Variable(advantage), log_probability));
}

Variable PolicyGradient(const Variable& log_probability, const Array& advantage, const Variable& entropy,
                        double entropy_weight) {
  const Variable policy = PolicyGradient(log_probability, advantage);
  return Subtract(policy, Scale(entropy, entropy_weight));
}

}  // namespace rl
