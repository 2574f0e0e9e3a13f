#include <vector>

#include "autograd/ops/softmax_kernels.h"
#include "autograd/ops/softmax_rows_cpu.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

constexpr int64_t kGrainBlocks = 4;

}  // namespace

void SoftmaxForward(Stream&, const Array& x, bool logarithm, Array& y) {
  VisitFloating("Softmax", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t width = x.shape()[-1], rows = x.shape().rows(), block = BlockRows(width);
    const T* const in = x.data<T>();
    T* const out = y.data<T>();
    ParallelFor(rows, kGrainBlocks * block, [=](int64_t begin, int64_t end) {
      std::vector<Value> exponentials(block * width), largest(block), sums(block);
      for (int64_t first = begin; first < end; first += block) {
        const int64_t count = std::min(block, end - first);
        ExponentiateRows(in + first * width, count, width, exponentials.data(), largest.data(), sums.data());
        for (int64_t r = 0; r < count; ++r) {
          const Value* const row = exponentials.data() + r * width;
          const T* const x_row = in + (first + r) * width;
          T* const result = out + (first + r) * width;
          if (logarithm) {
            const Value shift = largest[r], log_sum = math::Log(sums[r]);
            for (int64_t c = 0; c < width; ++c)
              result[c] = static_cast<T>((static_cast<Value>(x_row[c]) - shift) - log_sum);
          } else {
            const Value factor = Value(1) / sums[r];
            for (int64_t c = 0; c < width; ++c) result[c] = static_cast<T>(row[c] * factor);
          }
        }
      }
    });
  });
}

void SoftmaxGradient(Stream&, const Array& y, const Array& dy, bool logarithm, Array& dx) {
  VisitFloating("SoftmaxGradient", y.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t width = y.shape()[-1], rows = y.shape().rows(), block = BlockRows(width);
    const T* const values = y.data<T>();
    const T* const upstream = dy.data<T>();
    T* const out = dx.data<T>();
    ParallelFor(rows, kGrainBlocks * block, [=](int64_t begin, int64_t end) {
      std::vector<Value> probabilities(block * width);
      for (int64_t first = begin; first < end; first += block) {
        const int64_t count = std::min(block, end - first), offset = first * width;
        for (int64_t i = 0; i < count * width; ++i) probabilities[i] = static_cast<Value>(values[offset + i]);
        if (logarithm) ExponentiateInPlace(probabilities.data(), count * width);
        for (int64_t r = 0; r < count; ++r) {
          const Value* const p = probabilities.data() + r * width;
          const T* const d = upstream + offset + r * width;
          T* const result = out + offset + r * width;
          if (logarithm) {
            const Value total = SumLanes<Value>(width, [=](int64_t c) { return static_cast<Value>(d[c]); });
            for (int64_t c = 0; c < width; ++c) result[c] = static_cast<T>(static_cast<Value>(d[c]) - p[c] * total);
          } else {
            const Value mean = SumLanes<Value>(width, [=](int64_t c) { return static_cast<Value>(d[c]) * p[c]; });
            for (int64_t c = 0; c < width; ++c) result[c] = static_cast<T>(p[c] * (static_cast<Value>(d[c]) - mean));
          }
        }
      }
    });
  });
}

}  // namespace autograd::cpu
