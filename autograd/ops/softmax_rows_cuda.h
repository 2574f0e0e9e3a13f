#pragma once

// Rows for softmax and cross entropy on CUDA: kLanes neighbouring lanes of a warp share a row, so that rows of a few
// classes do not leave lanes idle.

#include <limits>

#include "autograd/core/launch_cuda.h"
#include "autograd/runtime/math.h"

namespace autograd::cuda {

// The sum over the kLanes lanes that share a row, in each of them. Every lane of the warp takes part.
template <int kLanes, typename Value>
__device__ inline Value LanesSum(Value value) {
  for (int offset = kLanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

template <int kLanes, typename Value>
__device__ inline Value LanesMax(Value value) {
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    const Value other = __shfl_xor_sync(0xFFFFFFFFu, value, offset);
    value = other > value ? other : value;
  }
  return value;
}

// The largest value of a row and Σ exp(x − largest).
template <typename Value>
struct RowExponentials {
  Value largest, sum;
};

// One pass over the row (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018): each lane rescales
// its sum when it meets a larger value, once for several values. load(c, values) gives the kWidth values from c on, and
// is asked for c < width. The result is in every lane.
template <int kLanes, int kWidth, typename Value, typename Load>
__device__ inline RowExponentials<Value> SumLoadedExponentials(const Load& load, int64_t width) {
  constexpr int kLoads = kWidth < 4 ? 4 / kWidth : 1;
  constexpr Value kLowest = -std::numeric_limits<Value>::infinity();
  // Nothing but −∞ so far: exponentials relative to 0 are zero, those relative to −∞ not a number.
  const auto shift_of = [](Value largest) { return largest == kLowest ? Value(0) : largest; };
  Value largest = kLowest, sum = 0;
  for (int64_t c = threadIdx.x % kLanes * kWidth; c < width; c += kLoads * kLanes * kWidth) {
    Value values[kLoads][kWidth], before = largest;
    for (int l = 0; l < kLoads; ++l) {
      const int64_t at = c + l * kLanes * kWidth;
      if (at < width) {
        load(at, values[l]);
      } else {
        for (int k = 0; k < kWidth; ++k) values[l][k] = kLowest;
      }
      for (int k = 0; k < kWidth; ++k) largest = values[l][k] > largest ? values[l][k] : largest;
    }
    const Value shift = shift_of(largest);
    sum *= math::Exp(before - shift);
    for (int l = 0; l < kLoads; ++l) {
      for (int k = 0; k < kWidth; ++k) sum += math::Exp(values[l][k] - shift);
    }
  }
  const Value row_largest = LanesMax<kLanes>(largest);
  return {row_largest, LanesSum<kLanes>(sum * math::Exp(largest - shift_of(row_largest)))};
}

// The same of a row in memory.
template <int kLanes, int kWidth, typename T, typename Value = ComputeType<T>>
__device__ inline RowExponentials<Value> SumExponentials(const T* row, int64_t width) {
  return SumLoadedExponentials<kLanes, kWidth, Value>(
      [=](int64_t c, Value(&values)[kWidth]) { LoadMany(row + c, values); }, width);
}

// Blocks of kBlock threads for ForEachRow. Short rows come several to a thread, which makes up for what a thread costs
// to start.
template <int kLanes>
unsigned BlocksForRows(int64_t rows) {
  constexpr int64_t kRowsOfThread = kLanes < kWarp ? 4 : 1;
  return Blocks((rows * kLanes + kRowsOfThread - 1) / kRowsOfThread);
}

// A warp's rows: calls body(row index, whether it is the thread's to store) for each kWarp / kLanes rows at a time;
// past the end it gets the last row again, because every lane must take part in the sums.
template <int kLanes, typename Body>
__device__ inline void ForEachRow(int64_t rows, const Body& body) {
  constexpr int kRows = kWarp / kLanes;
  for (int64_t first = GridIndex() / kWarp * kRows; first < rows; first += GridStride() / kWarp * kRows) {
    const int64_t r = first + threadIdx.x % kWarp / kLanes;
    body(min(r, rows - 1), r < rows);
  }
}

// Calls visitor(std::integral_constant<int, kLanes>()) with the lanes for rows of `width` values, kWidth of which are
// loaded at once.
template <int kWidth, typename Visitor>
void VisitLanes(int64_t width, const Visitor& visitor) {
  constexpr int64_t kStep = kWidth < 4 ? 4 : kWidth;
  if (width <= 4 * kStep) {
    visitor(std::integral_constant<int, 4>());
  } else if (width <= 8 * kStep) {
    visitor(std::integral_constant<int, 8>());
  } else if (width <= 3 * 16 * kStep) {
    visitor(std::integral_constant<int, 16>());
  } else {
    visitor(std::integral_constant<int, 32>());
  }
}

// Calls visitor(lanes, width of a load), both integral constants: packs of kPack values where they can be loaded.
template <int kPack, typename Visitor>
void VisitLanesAndWidth(int64_t width, bool packed, const Visitor& visitor) {
  const auto visit = [&]<int kWidth>(std::integral_constant<int, kWidth> load) {
    VisitLanes<kWidth>(width, [&](auto lanes) { visitor(lanes, load); });
  };
  if (packed) {
    visit(std::integral_constant<int, kPack>());
  } else {
    visit(std::integral_constant<int, 1>());
  }
}

}  // namespace autograd::cuda
