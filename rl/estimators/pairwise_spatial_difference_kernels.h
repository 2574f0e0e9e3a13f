#pragma once

#include "autograd/core/array.h"
#include "autograd/runtime/kernel.h"

namespace autograd {

// advantages float32 [n, b, ..] from rewards float32 [n, b] and actions uint8 [n, b, ..]; 0 where valid uint8 [b, ..] (if
// defined) is 0.
KERNEL(PairwiseSpatialDifference,
       void(Stream&, const Array& rewards, const Array& actions, const Array& valid, Array& advantages));

}  // namespace autograd
