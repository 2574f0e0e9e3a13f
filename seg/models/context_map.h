#pragma once

// Context maps (Zhou et al., "Context-reinforced semantic segmentation", CVPR 2019, §2.3): which pixels of a predicted
// label map are handed on as context.

#include <cstdint>
#include <optional>

#include "autograd/core/array.h"
#include "autograd/runtime/random.h"

namespace seg {

// K = (Y + 1)∘B. labels uint8 [n, h, w]: Y, classes of at most 254; actions uint8 [n, h, w]: B, not 0 where the label
// is adopted → uint8 [n, h, w]: 0 where the context is uncertain, 1 + class elsewhere. A label of 255, void, is
// uncertain whatever its action.
autograd::Array ContextMap(const autograd::Array& labels, const autograd::Array& actions);

// B ~ Q = softmax(policy_logits): policy_logits float32 [n, h, w, 2] → actions uint8 [n, h, w], 1 adopts.
//
// Without a key, greedily: 1 where the probability of action 1 is at least ½, which is where logit 1 ≥ logit 0. That
// is the mode of the distribution but for ties, which adopt. With a key, drawn: 1 where logit 1 − logit 0 exceeds log u
// − log(1 − u), u uniform in (0, 1). Pixel e's u is (w + ½)/2³², w being word e mod 4 of Philox draw e div 4; pixels
// are counted row-major, from sample `first_sample` on, so that ranks that share a batch draw what one rank with all of
// it would. The same bits on the CPU and on CUDA. NaN never adopts.
autograd::Array ContextActions(const autograd::Array& policy_logits, const std::optional<autograd::RandomKey>& key,
                               int64_t first_sample = 0);

}  // namespace seg
