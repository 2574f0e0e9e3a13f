#pragma once

// What rounding may do to a sum, so that a test's bound follows from the number of additions and not from what one
// machine showed: another instruction set, another count of caches or another library adds in another order.

#include <cmath>
#include <cstdint>

#include "autograd/runtime/dtype.h"

namespace autograd::testing {

// u: half the distance from 1 to the next number. A rounded result is off by at most u of itself.
constexpr double UnitRoundoff(DType dtype) {
  switch (dtype) {
    case kFloat64:
      return 0x1p-53;
    case kBFloat16:
      return 0x1p-8;
    default:
      return 0x1p-24;
  }
}

// The error of a sum whose terms go through at most n roundings each (the product, then the additions), as a share of
// Σ |terms|, in any order, with or without fused multiply-add:
//   n·u / (1 − n·u)   always (Higham, Accuracy and Stability of Numerical Algorithms, 2002, §3.1);
//   8·√n·u / (1 − …)  but for 2·n·exp(−8²/2) of all sums, one in 10^12 at n = 40, where roundings are as good as random
//                     (Higham and Mary, SIAM J. Sci. Comput. 41, 2019, theorem 2.4).
// The smaller of the two.
inline double RoundingOfSum(DType dtype, int64_t n) {
  const double roundings = static_cast<double>(n),
               error = std::fmin(roundings, 8 * std::sqrt(roundings)) * UnitRoundoff(dtype);
  return error / (1 - error);
}

}  // namespace autograd::testing
