#include <algorithm>
#include <vector>

#include "autograd/ops/separable_kernels.h"
#include "autograd/ops/weighted_rows_cpu.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// The weights of one axis as a table: result r reads [first[r], first[r] + count[r]).
template <typename Value>
struct Taps {
  int64_t width = 0;  // the largest count
  std::vector<int64_t> first, count;
  std::vector<Value> weights;  // [results, width]

  const Value* of(int64_t r) const { return weights.data() + r * width; }
};

template <typename Value>
Taps<Value> ForwardTaps(const AxisFilter& filter, int64_t in, int64_t out) {
  Taps<Value> taps;
  for (int64_t i = 0; i < out; ++i) {
    const AxisWindow window = WindowOf(filter, in, out, i);
    taps.first.push_back(window.first);
    taps.count.push_back(window.count);
    taps.width = std::max(taps.width, window.count);
  }
  taps.weights.resize(out * taps.width);
  std::vector<double> row(taps.width);
  for (int64_t i = 0; i < out; ++i) {
    WeightsOf(filter, in, out, i, {taps.first[i], taps.count[i]}, row.data());
    std::transform(row.begin(), row.begin() + taps.count[i], taps.weights.begin() + i * taps.width,
                   [](double weight) { return static_cast<Value>(weight); });
  }
  return taps;
}

// The transposed matrix. Windows move forward with i, so the outputs that read one input are neighbours too.
template <typename Value>
Taps<Value> TransposedTaps(const AxisFilter& filter, int64_t in, int64_t out) {
  const Taps<Value> forward = ForwardTaps<Value>(filter, in, out);
  Taps<Value> taps;
  taps.first.assign(in, 0);
  taps.count.assign(in, 0);
  for (int64_t i = 0; i < out; ++i) {
    for (int64_t s = forward.first[i]; s < forward.first[i] + forward.count[i]; ++s) {
      if (taps.count[s] == 0) taps.first[s] = i;
      taps.count[s] = i - taps.first[s] + 1;
      taps.width = std::max(taps.width, taps.count[s]);
    }
  }
  taps.weights.assign(in * taps.width, Value(0));
  for (int64_t i = 0; i < out; ++i) {
    for (int64_t tap = 0; tap < forward.count[i]; ++tap) {
      const int64_t s = forward.first[i] + tap;
      taps.weights[s * taps.width + i - taps.first[s]] = forward.of(i)[tap];
    }
  }
  return taps;
}

// out[0..length) = Σ_t weights[t]·row(t)[0..length)
template <typename Value, typename Out, typename Row>
inline void Blend(const Row& row, const Value* weights, int64_t count, int64_t length, Out* __restrict out) {
  if (count == 2) {
    WeightRows(row(0), row(1), weights[0], weights[1], length, out);
  } else if (count == 1) {
    WeightRow(row(0), weights[0], length, out);
  } else {
    constexpr int64_t kChunk = 256;
    Value sums[kChunk];
    for (int64_t begin = 0; begin < length; begin += kChunk) {
      const int64_t chunk = std::min(kChunk, length - begin);
      std::fill(sums, sums + chunk, Value(0));
      int64_t t = 0;
      for (; t + 4 <= count; t += 4) {
        const auto* __restrict a = row(t) + begin;
        const auto* __restrict b = row(t + 1) + begin;
        const auto* __restrict d = row(t + 2) + begin;
        const auto* __restrict e = row(t + 3) + begin;
        const Value wa = weights[t], wb = weights[t + 1], wd = weights[t + 2], we = weights[t + 3];
        for (int64_t c = 0; c < chunk; ++c) {
          sums[c] += (wa * static_cast<Value>(a[c]) + wb * static_cast<Value>(b[c])) +
                     (wd * static_cast<Value>(d[c]) + we * static_cast<Value>(e[c]));
        }
      }
      for (; t < count; ++t) {
        const auto* __restrict a = row(t) + begin;
        const Value wa = weights[t];
        for (int64_t c = 0; c < chunk; ++c) sums[c] += wa * static_cast<Value>(a[c]);
      }
      for (int64_t c = 0; c < chunk; ++c) out[begin + c] = static_cast<Out>(sums[c]);
    }
  }
}

// One image row through the column taps.
template <typename Value, typename In, typename Out>
void BlendColumns(const In* in, const Taps<Value>& columns, int64_t width, int64_t channels, Out* out) {
  for (int64_t j = 0; j < width; ++j) {
    const In* pixel = in + columns.first[j] * channels;
    Blend([=](int64_t t) { return pixel + t * channels; }, columns.of(j), columns.count[j], channels,
          out + j * channels);
  }
}

// Widening runs the rows first, on the narrow input; narrowing runs the columns first and keeps the narrow
// rows that the next result will read again. Either way the larger image is touched as little as possible.
template <typename T>
void Apply(const Array& x, const Taps<ComputeType<T>>& rows, const Taps<ComputeType<T>>& columns, Array& y) {
  using Value = ComputeType<T>;
  const int64_t height = x.shape()[1], width = x.shape()[2], channels = x.shape()[3];
  const int64_t out_height = y.shape()[1], out_width = y.shape()[2];
  const int64_t in_row = width * channels, out_row = out_width * channels;
  const T* in = x.data<T>();
  T* out = y.data<T>();
  if (y.size() == 0) return;
  const int64_t work = std::max<int64_t>(1, in_row * rows.width + out_row * columns.width);
  ParallelFor(y.shape()[0] * out_height, std::max<int64_t>(1, (1 << 15) / work), [&](int64_t begin, int64_t end) {
    if (out_width >= width) {
      std::vector<Value> blended(in_row);
      for (int64_t r = begin; r < end; ++r) {
        const int64_t i = r % out_height;
        const T* first = in + (r / out_height * height + rows.first[i]) * in_row;
        Blend([=](int64_t t) { return first + t * in_row; }, rows.of(i), rows.count[i], in_row, blended.data());
        BlendColumns(blended.data(), columns, out_width, channels, out + r * out_row);
      }
      return;
    }
    // Slot s % rows.width holds input row s of the image once its columns are done.
    std::vector<Value> narrow(rows.width * out_row);
    std::vector<int64_t> held(rows.width, -1);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t i = r % out_height, image = r / out_height * height;
      for (int64_t s = rows.first[i]; s < rows.first[i] + rows.count[i]; ++s) {
        const int64_t slot = s % rows.width;
        if (held[slot] == image + s) continue;
        BlendColumns(in + (image + s) * in_row, columns, out_width, channels, narrow.data() + slot * out_row);
        held[slot] = image + s;
      }
      const int64_t first = rows.first[i], slots = rows.width;
      const Value* base = narrow.data();
      Blend([=](int64_t t) { return base + (first + t) % slots * out_row; }, rows.of(i), rows.count[i], out_row,
            out + r * out_row);
    }
  });
}

}  // namespace

void SeparableForward(Stream&, const Array& x, const AxisFilter& rows, const AxisFilter& columns, Array& y) {
  VisitFloating("SeparableForward", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Apply<T>(x, ForwardTaps<Value>(rows, x.shape()[1], y.shape()[1]),
             ForwardTaps<Value>(columns, x.shape()[2], y.shape()[2]), y);
  });
}

void SeparableGradient(Stream&, const Array& dy, const AxisFilter& rows, const AxisFilter& columns, Array& dx) {
  VisitFloating("SeparableGradient", dy.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Apply<T>(dy, TransposedTaps<Value>(rows, dx.shape()[1], dy.shape()[1]),
             TransposedTaps<Value>(columns, dx.shape()[2], dy.shape()[2]), dx);
  });
}

}  // namespace autograd::cpu
