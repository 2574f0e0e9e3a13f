#pragma once

// Softmax over the last axis, computed in float32 (float64 for float64) relative to the largest element of each row, so
// that no logit overflows. −∞ has probability zero; a row of nothing but −∞ is NaN.

#include "autograd/core/tape.h"

namespace autograd {

// x [..., k] → y like x, rows of which sum to one. Saves y.
Variable Softmax(const Variable& x);

// log(Softmax(x)), without its underflow. Saves y.
Variable LogSoftmax(const Variable& x);

}  // namespace autograd
