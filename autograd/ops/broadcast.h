#pragma once

// Broadcasting exists in the elementwise family only. A BroadcastPlan gives both backends the same collapsed loop: the
// fewest dimensions in which neither operand changes its way of moving, with strides of zero where an operand repeats.

#include "autograd/core/array.h"

namespace autograd {

struct BroadcastPlan {
  int rank = 0;
  int64_t extents[Shape::kMaxRank] = {};        // of the result
  int64_t first_strides[Shape::kMaxRank] = {};  // in elements
  int64_t second_strides[Shape::kMaxRank] = {};
  int64_t size = 1;
};

// The shape of an elementwise result; Error naming both shapes when they do not fit.
Shape BroadcastShape(const char* operation, const Shape& a, const Shape& b);

BroadcastPlan PlanBroadcast(const Shape& result, const Shape& a, const Shape& b);

}  // namespace autograd
