#pragma once

// Blocks of rows for softmax and cross entropy: the exponential runs over a whole block at a time, because rows of a
// few classes are too short to vectorise by themselves.

#include <algorithm>
#include <cstdint>
#include <limits>

#include "autograd/ops/lanes_cpu.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/math.h"

namespace autograd::cpu {

// Rows of a block: about 4096 elements, at least one row.
inline int64_t BlockRows(int64_t width) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, width)); }

template <typename Value>
void ExponentiateInPlace(Value* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = math::Exp(values[i]);
}

// exponentials[r, c] = exp(x[r, c] − largest[r]) and sums[r] = Σ_c of them, with largest[r] = max_c x[r, c].
template <typename T, typename Value = ComputeType<T>>
void ExponentiateRows(const T* x, int64_t rows, int64_t width, Value* exponentials, Value* largest, Value* sums) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* const row = x + r * width;
    Value* const shifted = exponentials + r * width;
    const Value maximum = MaxLanes<Value>(width, -std::numeric_limits<Value>::infinity(),
                                          [=](int64_t c) { return static_cast<Value>(row[c]); });
    for (int64_t c = 0; c < width; ++c) shifted[c] = static_cast<Value>(row[c]) - maximum;
    largest[r] = maximum;
  }
  ExponentiateInPlace(exponentials, rows * width);
  for (int64_t r = 0; r < rows; ++r) {
    const Value* const row = exponentials + r * width;
    sums[r] = SumLanes<Value>(width, [=](int64_t c) { return row[c]; });
  }
}

}  // namespace autograd::cpu
