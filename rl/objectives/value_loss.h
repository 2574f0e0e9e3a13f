#pragma once

// The critic's loss, entry by entry: average the result over what should count, MaskedMean(ValueLoss(…), valid, …)
// (rl/estimators/masked_mean.h). No factor ½, as A3C (Mnih et al., arXiv:1602.01783, section 4) and PPO (Schulman et
// al., arXiv:1707.06347, equation 9) have none.

#include "autograd/core/tape.h"

namespace rl {

// (R − V)². `returns` has values' shape and dtype and is a constant.
autograd::Variable ValueLoss(const autograd::Variable& values, const autograd::Array& returns);

// max((R − V)², (R − V_clip)²) with V_clip = V_old + clamp(V − V_old, −clip, clip): what PPO's authors run beside the
// paper's (R − V)²; where V has moved away from V_old by more than clip, and the clipped value is the worse, no
// gradient flows. clip > 0; shapes and dtypes as above.
autograd::Variable ClippedValueLoss(const autograd::Variable& values, const autograd::Array& old_values,
                                    const autograd::Array& returns, double clip);

}  // namespace rl
