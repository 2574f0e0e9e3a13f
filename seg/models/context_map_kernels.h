#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"
#include "autograd/runtime/random.h"

namespace seg {

// map[i] = labels[i] + 1 where actions[i] is not 0, else 0; uint8, so that 255 becomes 0, too.
KERNEL(ContextMap,
       void(autograd::Stream&, const autograd::Array& labels, const autograd::Array& actions, autograd::Array& map));

// actions uint8 [p] of policy_logits float32 [p, 2], as context_map.h has them.
KERNEL(GreedyContextActions, void(autograd::Stream&, const autograd::Array& policy_logits, autograd::Array& actions));
// Position i draws with number first + i of the key.
KERNEL(DrawnContextActions, void(autograd::Stream&, const autograd::Array& policy_logits,
                                 const autograd::RandomKey& key, int64_t first, autograd::Array& actions));

}  // namespace seg
