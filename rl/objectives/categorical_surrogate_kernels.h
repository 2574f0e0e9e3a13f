#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

struct CategoricalSurrogateTerms {
  double scale = 0;              // 1/count; 0 leaves the surrogate out
  double low = 0.8, high = 1.2;  // bounds of the ratio
  double entropy_weight = 0;     // of the mean entropy, which is subtracted
  double divergence_weight = 0;  // of the mean KL(π ‖ reference)
};

// loss [] (float32, or float64 for float64 logits), dlogits (undefined: not wanted) and statistics (undefined, or float64 [3]: mean
// entropy, mean divergence, share of clipped entries), as categorical_surrogate.h describes them. logits [b, .., k]; actions uint8
// [n, b, ..]; advantages float32 [n, b, ..] or [n, b]; the rest may be undefined.
KERNEL_CPU_ONLY(CategoricalSurrogate,
                void(Stream&, const Array& logits, const Array& actions, const Array& advantages,
                     const Array& old_log_probability, const Array& reference_logits, const Array& valid,
                     const CategoricalSurrogateTerms& terms, Array& loss, Array& dlogits, Array& statistics));

// dx = dy·x for a scalar dy.
KERNEL_CPU_ONLY(ScaleByScalar, void(Stream&, const Array& x, const Array& dy, Array& dx));

}  // namespace autograd
