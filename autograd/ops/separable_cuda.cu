#include <algorithm>

#include "autograd/ops/resize_twice_cuda.h"
#include "autograd/ops/rows_cuda.h"
#include "autograd/ops/separable_kernels.h"

namespace autograd::cuda {
namespace {

// One axis of the filter in device memory: output i reads the inputs [first[i], first[i] + count[i]) with
// weights[i·width + tap]. The gradient reads it the other way round: output_first and output_count tell which outputs
// read input s. No weights at all: every result reads its own place.
template <typename Value>
struct AxisTable {
  AxisFilter filter;
  int64_t in = 0, out = 0, width = 0;
  double* exact = nullptr;  // the weights as they are computed
  Value* weights = nullptr;
  int *first = nullptr, *count = nullptr, *output_first = nullptr, *output_count = nullptr;
};

// An upper bound of the count of WindowOf.
int64_t WidestWindow(const AxisFilter& filter, int64_t in, int64_t out) {
  switch (filter.kind) {
    case AxisFilterKind::kNearest:
    case AxisFilterKind::kNearestExact:
      return 1;
    case AxisFilterKind::kBilinear:
    case AxisFilterKind::kBilinearAlignedCorners:
      return 2;
    case AxisFilterKind::kBicubic:
      return 4;
    case AxisFilterKind::kBicubicAntialiased:
      return static_cast<int64_t>(2 * internal::CubicSupport(in, out)) + 2;
    case AxisFilterKind::kAverageWindow:
      return filter.kernel;
    case AxisFilterKind::kAverageBins:
      return in / out + 2;
  }
  return 0;
}

// The first i in [0, end) for which `holds` is true, where it stays true.
template <typename Predicate>
__device__ int64_t Bisect(int64_t end, const Predicate& holds) {
  int64_t low = 0;
  while (low < end) {
    const int64_t middle = (low + end) / 2;
    if (holds(middle)) {
      end = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// Fills the tables of both axes; blockIdx.y tells which. Both ends of the windows move forward with i, so the outputs
// that read input s are neighbours.
template <typename Value>
__global__ void TablesKernel(AxisTable<Value> rows, AxisTable<Value> columns) {
  const AxisTable<Value>& t = blockIdx.y == 0 ? rows : columns;
  for (int64_t i = GridIndex(); i < t.out; i += GridStride()) {
    const AxisWindow window = WindowOf(t.filter, t.in, t.out, i);
    double* const exact = t.exact + i * t.width;
    WeightsOf(t.filter, t.in, t.out, i, window, exact);
    for (int64_t tap = 0; tap < window.count; ++tap) t.weights[i * t.width + tap] = static_cast<Value>(exact[tap]);
    t.first[i] = static_cast<int>(window.first);
    t.count[i] = static_cast<int>(window.count);
  }
  if (t.output_first == nullptr) return;
  for (int64_t s = GridIndex(); s < t.in; s += GridStride()) {
    const int64_t begin = Bisect(t.out, [&](int64_t i) {
      const AxisWindow window = WindowOf(t.filter, t.in, t.out, i);
      return window.first + window.count > s;
    });
    const int64_t end = Bisect(t.out, [&](int64_t i) { return WindowOf(t.filter, t.in, t.out, i).first > s; });
    t.output_first[s] = static_cast<int>(begin);
    t.output_count[s] = static_cast<int>(max(int64_t{0}, end - begin));
  }
}

// The table of one axis, with the arrays that it points to.
template <typename Value>
struct Axis {
  Array exact, weights, places;
  AxisTable<Value> table;

  Axis(const AxisFilter& filter, int64_t in, int64_t out, bool gradient) {
    const int64_t width = WidestWindow(filter, in, out);
    exact = Array::Empty({out, width}, kFloat64);
    weights = Array::Empty({out, width}, DTypeOf<Value>::value);
    places = Array::Empty({2 * (out + in)}, kInt32);
    int* const first = places.data<int32_t>();
    table = {filter, in, out, width, exact.data<double>(), weights.data<Value>(), first, first + out};
    if (!gradient) return;
    table.output_first = first + 2 * out;
    table.output_count = first + 2 * out + in;
  }
};

// What result r reads, and with which weights.
template <bool kGradient, typename Value>
struct Window {
  const AxisTable<Value>& table;
  int r, first, count;

  __device__ Window(const AxisTable<Value>& axis, int result) : table(axis), r(result), first(result), count(1) {
    if (axis.weights == nullptr) return;
    first = kGradient ? axis.output_first[r] : axis.first[r];
    count = kGradient ? axis.output_count[r] : axis.count[r];
  }
  __device__ Value weight(int t) const {
    if (table.weights == nullptr) return Value(1);
    if (!kGradient) return table.weights[r * table.width + t];
    return table.weights[(first + t) * table.width + r - table.first[first + t]];
  }
};

// y[n, i, j, c] = Σ_s Σ_t rows(i, s)·columns(j, t)·x[n, s, t, c], or with kGradient the sum over the outputs (s, t)
// that read (i, j). Neighbours find what they share in the cache.
template <bool kGradient, int kWidth, typename T, typename Out, typename Value>
__global__ void BlendKernel(const T* x, AxisTable<Value> rows, AxisTable<Value> columns, int64_t lines, int height,
                            int width, int out_height, int out_width, int64_t channels, Out* y) {
  const uint32_t packs = static_cast<uint32_t>(channels / kWidth);
  ForEachInRows(lines, out_width * packs, [&](int64_t line, uint32_t element) {
    const int64_t image = Divide(line, out_height);
    const Window<kGradient, Value> down(rows, static_cast<int>(line - image * out_height));
    const uint32_t j = element / packs;
    const Window<kGradient, Value> across(columns, static_cast<int>(j));
    const T* in =
        x + ((image * height + down.first) * width + across.first) * channels + (element - j * packs) * kWidth;
    Value sums[kWidth] = {}, values[kWidth];
    for (int s = 0; s < down.count; ++s, in += width * channels) {
      const Value row_weight = down.weight(s);
      for (int t = 0; t < across.count; ++t) {
        const Value weight = row_weight * across.weight(t);
        LoadMany(in + t * channels, values);
        for (int k = 0; k < kWidth; ++k) sums[k] += weight * values[k];
      }
    }
    StoreMany(y + (line * out_width * packs + element) * kWidth, sums);
  });
}

// The extents [n, height, width, channels] of one side.
struct Extents {
  int64_t n, height, width, channels;
};

template <bool kGradient, typename T, typename Out, typename Value>
void Blend(const char* operation, Stream& stream, const Array& x, const Extents& in, const AxisTable<Value>& rows,
           const AxisTable<Value>& columns, const Extents& out, Array& y) {
  const int64_t lines = out.n * out.height;
  const auto launch = [&](int64_t pack, auto* kernel) {
    const RowLaunch shape = LaunchOfRows(operation, lines, out.width * out.channels / pack);
    Launch(operation, stream, shape.grid, shape.block, kernel, x.data<T>(), rows, columns, lines, in.height, in.width,
           out.height, out.width, out.channels, y.data<Out>());
  };
  // Packs of T; an array between two passes is wider, and takes several of its own.
  constexpr int kPack = std::max(Pack<T>::kSize, Pack<Out>::kSize);
  if (out.channels % kPack == 0 && Aligned(x.raw(), y.raw())) {
    launch(kPack, &BlendKernel<kGradient, kPack, T, Out, Value>);
  } else {
    launch(1, &BlendKernel<kGradient, 1, T, Out, Value>);
  }
}

// Up to 16 terms are read where they are needed. Longer sums run over one axis at a time, first the one that leaves
// less in between.
template <bool kGradient, typename T>
void Apply(const char* operation, Stream& stream, const Array& x, const AxisFilter& rows, const AxisFilter& columns,
           Array& y) {
  using Value = ComputeType<T>;
  if (y.size() == 0) return;
  const Extents in{x.shape()[0], x.shape()[1], x.shape()[2], x.shape()[3]};
  const Extents out{y.shape()[0], y.shape()[1], y.shape()[2], y.shape()[3]};
  const auto twice = [](const AxisFilter& filter, int64_t from, int64_t to) {
    return filter.kind == AxisFilterKind::kBilinear && (kGradient ? from == 2 * to : to == 2 * from);
  };
  if (twice(rows, in.height, out.height) && twice(columns, in.width, out.width)) {
    return ResizeTwice<kGradient, T>(operation, stream, x, y);
  }
  // The filter's own inputs and outputs, and about how many terms a result has.
  const auto terms = [](const AxisFilter& filter, int64_t from, int64_t to) {
    return kGradient ? (WidestWindow(filter, to, from) * from + to - 1) / to : WidestWindow(filter, from, to);
  };
  const auto axis = [&](const AxisFilter& filter, int64_t from, int64_t to) {
    return kGradient ? Axis<Value>(filter, to, from, true) : Axis<Value>(filter, from, to, false);
  };
  const Axis<Value> down = axis(rows, in.height, out.height), across = axis(columns, in.width, out.width);
  const int64_t longest = std::max({in.height, in.width, out.height, out.width});
  Launch(operation, stream, dim3(Blocks(longest, kWarp), 2), kWarp, TablesKernel<Value>, down.table, across.table);
  if (terms(rows, in.height, out.height) * terms(columns, in.width, out.width) <= 16) {
    Blend<kGradient, T, T>(operation, stream, x, in, down.table, across.table, out, y);
    return;
  }
  // In a pass over the rows a line of the image is one long pixel.
  const auto as_lines = [](const Extents& image) {
    return Extents{image.n, image.height, 1, image.width * image.channels};
  };
  if (in.height * out.width <= out.height * in.width) {
    const Extents narrow{in.n, in.height, out.width, in.channels};
    Array between = Array::Empty({narrow.n, narrow.height, narrow.width, narrow.channels}, DTypeOf<Value>::value);
    Blend<kGradient, T, Value>(operation, stream, x, in, AxisTable<Value>(), across.table, narrow, between);
    Blend<kGradient, Value, T>(operation, stream, between, as_lines(narrow), down.table, AxisTable<Value>(),
                               as_lines(out), y);
  } else {
    const Extents low{in.n, out.height, in.width, in.channels};
    Array between = Array::Empty({low.n, low.height, low.width, low.channels}, DTypeOf<Value>::value);
    Blend<kGradient, T, Value>(operation, stream, x, as_lines(in), down.table, AxisTable<Value>(), as_lines(low),
                               between);
    Blend<kGradient, Value, T>(operation, stream, between, low, AxisTable<Value>(), across.table, out, y);
  }
}

}  // namespace

void SeparableForward(Stream& stream, const Array& x, const AxisFilter& rows, const AxisFilter& columns, Array& y) {
  VisitFloating("SeparableForward", x.dtype(),
                [&]<typename T>(T) { Apply<false, T>("SeparableForward", stream, x, rows, columns, y); });
}

void SeparableGradient(Stream& stream, const Array& dy, const AxisFilter& rows, const AxisFilter& columns, Array& dx) {
  VisitFloating("SeparableGradient", dy.dtype(),
                [&]<typename T>(T) { Apply<true, T>("SeparableGradient", stream, dy, rows, columns, dx); });
}

}  // namespace autograd::cuda
