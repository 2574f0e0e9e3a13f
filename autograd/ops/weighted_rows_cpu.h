#pragma once

// Weighted sums of one and two rows of numbers, in the type of the weights.

#include <cstdint>

namespace autograd::cpu {

// to = weight·a
template <typename T, typename Value, typename Out>
inline void WeightRow(const T* __restrict a, Value weight, int64_t count, Out* __restrict to) {
  for (int64_t c = 0; c < count; ++c) to[c] = static_cast<Out>(weight * static_cast<Value>(a[c]));
}

// to = weight_of_a·a + weight_of_b·b
template <typename T, typename Value, typename Out>
inline void WeightRows(const T* __restrict a, const T* __restrict b, Value weight_of_a, Value weight_of_b,
                       int64_t count, Out* __restrict to) {
  for (int64_t c = 0; c < count; ++c) {
    to[c] = static_cast<Out>(weight_of_a * static_cast<Value>(a[c]) + weight_of_b * static_cast<Value>(b[c]));
  }
}

}  // namespace autograd::cpu
