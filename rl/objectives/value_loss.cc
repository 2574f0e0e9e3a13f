#include "rl/objectives/value_loss.h"

#include "autograd/core/dims.h"
#include "autograd/ops/elementwise.h"

namespace rl {

using autograd::Array;
using autograd::Variable;

Variable ValueLoss(const Variable& values, const Array& returns) {
  autograd::Dims dims("ValueLoss");
  dims.Match(values, "values: ...").Match(returns, "returns: ...").SameType(values.array(), returns);
  return Square(Subtract(Variable(returns), values));
}

Variable ClippedValueLoss(const Variable& values, const Array& old_values, const Array& returns, double clip) {
  autograd::Dims dims("ClippedValueLoss");
  dims.Match(values, "values: ...").Match(old_values, "old_values: ...").SameType(values.array(), old_values);
  autograd::Require(clip > 0, dims.operation(), "clip is ", clip);
  const Variable moved = Clamp(Subtract(values, Variable(old_values)), -clip, clip);
  return Maximum(ValueLoss(values, returns), ValueLoss(Add(Variable(old_values), moved), returns));
}

}  // namespace rl
