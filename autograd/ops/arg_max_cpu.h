#pragma once

#include <cstdint>

#include "autograd/runtime/dtype.h"

namespace autograd::cpu {

// The first of the largest of `count` values, 1 or more.
template <typename T>
inline int64_t ArgMaxOfRow(const T* row, int64_t count) {
  using Value = ComputeType<T>;
  constexpr int64_t kLanes = 8;
  Value best = static_cast<Value>(row[0]);
  int64_t where = 0, i = 1;
  if (count >= 4 * kLanes) {
    Value values[kLanes];
    int32_t indices[kLanes] = {};
    for (int64_t lane = 0; lane < kLanes; ++lane) values[lane] = static_cast<Value>(row[lane]);
    for (i = kLanes; i + kLanes <= count; i += kLanes) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        const Value value = static_cast<Value>(row[i + lane]);
        const bool better = value > values[lane];
        values[lane] = better ? value : values[lane];
        indices[lane] = better ? static_cast<int32_t>(i) : indices[lane];
      }
    }
    best = values[0];
    where = indices[0];
    for (int64_t lane = 1; lane < kLanes; ++lane) {
      // Without branches: which lane wins cannot be predicted.
      const int64_t index = indices[lane] + lane;
      const bool better = (values[lane] > best) | ((values[lane] == best) & (index < where));
      best = better ? values[lane] : best;
      where = better ? index : where;
    }
  }
  for (; i < count; ++i) {
    const Value value = static_cast<Value>(row[i]);
    const bool better = value > best;
    best = better ? value : best;
    where = better ? i : where;
  }
  return where;
}

}  // namespace autograd::cpu
