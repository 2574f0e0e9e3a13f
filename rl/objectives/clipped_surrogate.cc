#include "rl/objectives/clipped_surrogate.h"

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

Variable ClippedSurrogate(const Variable& log_probability, const Array& old_log_probability, const Array& advantage,
                          double clip, double clip_high) {
  autograd::Dims dims("ClippedSurrogate");
  dims.Match(log_probability, "log_probability: ...").Match(old_log_probability, "old_log_probability: ...");
  dims.Match(advantage, "advantage: ...").SameType(log_probability.array(), advantage);
  dims.SameType(log_probability.array(), old_log_probability);
  autograd::Require(clip >= 0 && clip <= 1, dims.operation(), "clip is ", clip);

  const Variable log_ratio = autograd::Subtract(log_probability, Variable(old_log_probability));
  const Variable ratio = autograd::Exponential(autograd::Clamp(log_ratio, -kLargestLogRatio, kLargestLogRatio));
  const Variable clipped = autograd::Clamp(ratio, 1 - clip, 1 + (clip_high < 0 ? clip : clip_high));
  const Variable constant(advantage);
  return autograd::Negative(
      autograd::Minimum(autograd::Multiply(ratio, constant), autograd::Multiply(clipped, constant)));
}

}  // namespace rl
