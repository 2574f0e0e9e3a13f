#pragma once

#include "autograd/core/tape.h"

namespace autograd {

// x in another floating dtype, rounded to nearest even; the gradient is cast back. To the dtype it has, x
// itself. A parameter's bfloat16 value is computed once per version, not once per call.
Variable Cast(const Variable& x, DType dtype);

}  // namespace autograd
