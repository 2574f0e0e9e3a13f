#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace rl {

// advantages float32 [n, b, ..] from rewards float32 [n, b] and actions uint8 [n, b, ..]; 0 where valid uint8 [b, ..]
// (if defined) is 0.
KERNEL(PairwiseSpatialDifference,
       void(autograd::Stream&, const autograd::Array& rewards, const autograd::Array& actions,
            const autograd::Array& valid, autograd::Array& advantages));

}  // namespace rl
