#include "autograd/ops/broadcast.h"

#include <algorithm>

namespace autograd {

Shape BroadcastShape(const char* operation, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  int64_t extents[Shape::kMaxRank];
  for (int i = 0; i < rank; ++i) {
    const int from_a = i - (rank - a.rank()), from_b = i - (rank - b.rank());
    const int64_t x = from_a < 0 ? 1 : a[from_a], z = from_b < 0 ? 1 : b[from_b];
    Require(x == z || x == 1 || z == 1, operation, "shapes ", a, " and ", b, " do not broadcast");
    extents[i] = x == 1 ? z : x;
  }
  return Shape(extents, rank);
}

BroadcastPlan PlanBroadcast(const Shape& result, const Shape& a, const Shape& b) {
  BroadcastPlan plan;
  plan.size = result.size();
  const int rank = result.rank();
  int64_t first = 1, second = 1;
  // From the last dimension to the first; collected in reverse and turned round at the end.
  for (int i = rank - 1; i >= 0; --i) {
    const int from_a = i - (rank - a.rank()), from_b = i - (rank - b.rank());
    const int64_t extent = result[i];
    const int64_t x = from_a < 0 ? 1 : a[from_a], z = from_b < 0 ? 1 : b[from_b];
    const int64_t first_stride = x == 1 ? 0 : first, second_stride = z == 1 ? 0 : second;
    first *= x;
    second *= z;
    if (extent == 1) continue;
    if (plan.rank > 0) {
      const int last = plan.rank - 1;
      const int64_t inner = plan.extents[last];
      if (first_stride == plan.first_strides[last] * inner && second_stride == plan.second_strides[last] * inner) {
        plan.extents[last] *= extent;
        continue;
      }
    }
    plan.extents[plan.rank] = extent;
    plan.first_strides[plan.rank] = first_stride;
    plan.second_strides[plan.rank] = second_stride;
    ++plan.rank;
  }
  std::reverse(plan.extents, plan.extents + plan.rank);
  std::reverse(plan.first_strides, plan.first_strides + plan.rank);
  std::reverse(plan.second_strides, plan.second_strides + plan.rank);
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.extents[0] = plan.size;
  }
  return plan;
}

}  // namespace autograd
