#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// loss [] and log_sum_exp [...] are float32 (float64 for float64); scale float64 [1] is 1 / count, or 0 where no pixel
// is valid. weights may be undefined.
KERNEL(CrossEntropyForward, void(Stream&, const Array& logits, const Array& labels, const Array& weights,
                                 int void_label, bool count_void, Array& loss, Array& log_sum_exp, Array& scale));

// dlogits[i, k] = dy·scale·weight_i·(softmax(logits)[i, k] − [k = label_i]), and 0 for void pixels. dlogits may be
// logits.
KERNEL(CrossEntropyGradient,
       void(Stream&, const Array& logits, const Array& labels, const Array& weights, int void_label,
            const Array& log_sum_exp, const Array& scale, const Array& dy, Array& dlogits));

}  // namespace autograd
