#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// The pixels are as many groups of neighbours of equal size as loss has elements, and each group has a loss of its own.
// loss [groups] and log_sum_exp [...] are float32 (float64 for float64); scale float64 [groups] is 1 / count, or 0
// where nothing counts. weights and class_weights [k] may be undefined.
KERNEL(CrossEntropyForward,
       void(Stream&, const Array& logits, const Array& labels, const Array& weights, const Array& class_weights,
            int void_label, bool count_void, Array& loss, Array& log_sum_exp, Array& scale));

// Of one group: dlogits[i, k] = dy·scale·weight_i·class_weight[label_i]·(softmax(logits)[i, k] − [k = label_i]), and 0
// for void pixels. dlogits may be logits.
KERNEL(CrossEntropyGradient,
       void(Stream&, const Array& logits, const Array& labels, const Array& weights, const Array& class_weights,
            int void_label, const Array& log_sum_exp, const Array& scale, const Array& dy, Array& dlogits));

}  // namespace autograd
