#pragma once

// Bilinear resizing, row by row and pixel by pixel, for kernels that look at resized values and do not store them.

#include <cstdint>
#include <vector>

#include "autograd/ops/bilinear_cells.h"
#include "autograd/ops/weighted_rows_cpu.h"

namespace autograd::cpu {

// Output i of an axis reads input first[i] with weight near[i] and, where far[i] is not zero, the next one.
template <typename Value>
struct Blends {
  int64_t in;
  std::vector<int64_t> first;
  std::vector<Value> near, far;

  Blends(int64_t inputs, int64_t out) : in(inputs) {
    for (int64_t i = 0; i < out; ++i) {
      const BilinearPlace place = BilinearPlaceOf(in, out, i);
      first.push_back(place.cell);
      near.push_back(static_cast<Value>(1 - place.fraction));
      far.push_back(static_cast<Value>(place.fraction));
    }
  }
};

// to = near·a + far·b, or near·a without b.
template <typename T, typename Value>
inline void Blend(const T* a, const T* b, Value near, Value far, int64_t count, Value* __restrict to) {
  if (far == Value(0)) {
    WeightRow(a, near, count, to);
  } else {
    WeightRows(a, b, near, far, count, to);
  }
}

}  // namespace autograd::cpu
