#include <algorithm>
#include <vector>

#include "autograd/ops/reduce_kernels.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Partial sums are cut at fixed places, whatever the thread count.
constexpr int64_t kChunk = 1 << 13;

// Σ x[0..count) in eight lanes, so that the compiler may vectorise it without reordering anything.
template <typename T, typename Sum>
Sum SumRow(const T* x, int64_t count) {
  Sum lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int lane = 0; lane < 8; ++lane) lanes[lane] += static_cast<Sum>(x[i + lane]);
  }
  Sum sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  for (; i < count; ++i) sum += static_cast<Sum>(x[i]);
  return sum;
}

}  // namespace

void SumMiddle(Stream&, const Array& x, int64_t outer, int64_t reduced, int64_t inner, double scale, Array& y) {
  VisitFloating("Sum", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const Value factor = static_cast<Value>(scale);
    const int64_t rows = inner == 1 ? kChunk : std::max<int64_t>(1, kChunk / inner);
    const int64_t chunks = std::max<int64_t>(1, (reduced + rows - 1) / rows);
    std::vector<Value> partial(outer * chunks * inner);
    ParallelFor(outer * chunks, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, rows * inner)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t task = begin; task < end; ++task) {
                    const int64_t o = task / chunks, first = task % chunks * rows,
                                  last = std::min(reduced, first + rows);
                    Value* sums = partial.data() + task * inner;
                    if (inner == 1) {
                      sums[0] = first < last ? SumRow<T, Value>(in + o * reduced + first, last - first) : Value(0);
                      continue;
                    }
                    for (int64_t r = first; r < last; ++r) {
                      const T* row = in + (o * reduced + r) * inner;
                      for (int64_t i = 0; i < inner; ++i) sums[i] += static_cast<Value>(row[i]);
                    }
                  }
                });
    ParallelFor(outer * inner, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t position = begin; position < end; ++position) {
        const int64_t o = position / inner, i = position % inner;
        Value sum = 0;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[(o * chunks + chunk) * inner + i];
        out[position] = static_cast<T>(factor * sum);
      }
    });
  });
}

void RepeatMiddle(Stream&, const Array& x, int64_t outer, int64_t repeated, int64_t inner, double scale, Array& y) {
  VisitFloating("Repeat", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* in = x.data<T>();
    T* out = y.data<T>();
    const Value factor = static_cast<Value>(scale);
    ParallelFor(outer * repeated, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, inner)),
                [=](int64_t begin, int64_t end) {
                  for (int64_t row = begin; row < end; ++row) {
                    const T* from = in + row / repeated * inner;
                    T* to = out + row * inner;
                    for (int64_t i = 0; i < inner; ++i) to[i] = static_cast<T>(factor * static_cast<Value>(from[i]));
                  }
                });
  });
}

}  // namespace autograd::cpu
