#include "autograd/ops/conv2d_winograd_cpu.h"

#include <algorithm>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/core/weight_layouts.h"
#include "autograd/cpu/gemm.h"
#include "autograd/cpu/scratch.h"
#include "autograd/ops/winograd_tiles_cpu.h"
#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

using winograd::kChannelUnit;
using winograd::kProducts;
using winograd::kTaps;
using winograd::Matrices;
using winograd::Range;
using winograd::Tile;
using winograd::TileCount;
using winograd::TilesOf;
using winograd::Windows;

// Tiles and channels that are multiplied at a time: three operands of 17 MB in float32 at most. Few tiles are soon done
// with their weights, of which then fewer come at a time, so that they are still in the cache.
constexpr int64_t kTilesAtOnce = 512;
constexpr int64_t kFewTiles = 256;
constexpr int64_t kChannelsAtOnce = 512, kChannelsForFewTiles = 256;
// Rows of one of the products that go to a thread.
constexpr int64_t kProductRows = 256;

// [begin, end) of `count` things that come `most` at a time, in parts as equal as multiples of `unit` allow.
std::vector<Range> Parts(int64_t count, int64_t most, int64_t unit) {
  const int64_t length = CeilDivide(CeilDivide(count, CeilDivide(count, most)), unit) * unit;
  std::vector<Range> parts;
  for (int64_t begin = 0; begin < count; begin += length) parts.push_back({begin, std::min(count, begin + length)});
  return parts;
}

Windows ForwardWindows(const Conv2dGeometry& g) { return {g.n, g.h, g.w, g.c, g.oh, g.ow, g.o, g.padding, g.dilation}; }
Windows GradientWindows(const Conv2dGeometry& g) {
  return {g.n, g.oh, g.ow, g.o, g.h, g.w, g.c, g.extent_h() - 1 - g.padding, g.dilation};
}

// Memory for Matrices of one size and then of another.
template <typename T>
class Room {
 public:
  // For no more rows and columns than these, whatever padding their stride gets.
  Room(int64_t most_rows, int64_t most_columns) : data_(kProducts * most_rows * (most_columns + StridePadding(0))) {}
  Matrices<T> Of(int64_t rows, int64_t columns) { return {data_.data(), rows, columns}; }

 private:
  Scratch<T> data_;
};

// The kProducts products c = a·b, or c = aᵀ·b, or added to c, in pieces by the shape.
template <typename T, typename Right>
void Multiply(const Matrices<T>& a, bool transpose_a, const Matrices<Right>& b, bool accumulate, const Matrices<T>& c) {
  const std::vector<Range> rows = Parts(c.rows, kProductRows, kChannelUnit);
  const auto count = static_cast<int64_t>(rows.size());
  ParallelPieces(kProducts * count, [&](int64_t piece) {
    const int64_t product = piece / count;
    const Range& some = rows[piece % count];
    SerialGemm({some.size(), c.columns, b.rows, transpose_a, false},
               transpose_a ? a.At(product, 0, some.begin) : a.At(product, some.begin), a.stride, b.At(product, 0),
               b.stride, accumulate, c.At(product, some.begin), c.stride);
  });
}

// True for each pair of ranges that is not the one before: what is there already is not computed again.
class Changes {
 public:
  bool operator()(Range a, Range b) {
    if (first_ == a && second_ == b) return false;
    first_ = a, second_ = b;
    return true;
  }

 private:
  Range first_{0, 0}, second_{0, 0};
};

int64_t ChannelsAtOnce(int64_t tiles) { return tiles <= kFewTiles ? kChannelsForFewTiles : kChannelsAtOnce; }

// y by its windows of x, with weights(channels, outputs) as the right operands, no more than `at_once` of either.
template <typename T, typename Weights>
void Convolve(const Windows& windows, int64_t at_once, const T* x, const Weights& weights, const T* bias, bool relu,
              T* y) {
  const std::vector<Tile> tiles = TilesOf(windows);
  const std::vector<Range> parts = Parts(static_cast<int64_t>(tiles.size()), kTilesAtOnce, 1),
                           channels = Parts(windows.c, at_once, kChannelUnit),
                           outputs = Parts(windows.o, at_once, kChannelUnit);
  Room<T> room_of_inputs(parts[0].size(), channels[0].size()), room_of_sums(parts[0].size(), outputs[0].size());
  Changes other_inputs;
  for (const Range& part : parts) {
    for (const Range& some_outputs : outputs) {
      const Matrices<T> sums = room_of_sums.Of(part.size(), some_outputs.size());
      for (const Range& some_channels : channels) {
        const Matrices<T> inputs = room_of_inputs.Of(part.size(), some_channels.size());
        if (other_inputs(part, some_channels)) {
          TransformInputs(windows, tiles, part, some_channels, x, inputs);
        }
        Multiply(inputs, false, weights(some_channels, some_outputs), some_channels.begin > 0, sums);
      }
      TransformResults(windows, tiles, part, some_outputs, sums, bias, relu, y);
    }
  }
}

// The same, with weights that transform(channels, outputs, matrices) writes when others are needed than before.
template <typename T, typename Transform>
void ConvolveTransforming(const Windows& windows, int64_t at_once, const T* x, const Transform& transform,
                          const T* bias, bool relu, T* y) {
  Room<T> room(std::min(windows.c, at_once), std::min(windows.o, at_once));
  Changes others;
  const auto weights = [&](Range channels, Range outputs) {
    const Matrices<T> made = room.Of(channels.size(), outputs.size());
    if (others(channels, outputs)) transform(channels, outputs, made);
    return Matrices<const T>(made.data, made.rows, made.columns);
  };
  Convolve(windows, at_once, x, weights, bias, relu, y);
}

// Multiplications, over those of the definition.
double RelativeCost(const Windows& windows) {
  return static_cast<double>(TileCount(windows) * kProducts) /
         static_cast<double>(windows.n * windows.oh * windows.ow * kTaps * kTaps);
}

}  // namespace

bool WinogradFits(Conv2dProduct product, const Conv2dGeometry& g) {
  return g.kh == kTaps && g.kw == kTaps && g.stride == 1 && g.groups == 1 && g.c > 0 && g.c % kChannelUnit == 0 &&
         g.o % kChannelUnit == 0 && (product != Conv2dProduct::kInputGradient || GradientWindows(g).padding >= 0);
}

// By measurement (:conv2d_benchmark), with AVX2 and with AVX-512 alike. Where a dilation of 12 and more leaves tiles
// half empty, oneDNN's forward kernel also leaves out the taps in the padding, and its input gradient is slow.
bool WinogradPays(Conv2dProduct product, const Conv2dGeometry& g) {
  constexpr int64_t kLeastChannels = 32, kLeastPairs = 2048, kLeastPositions = 256;
  constexpr double kMostForward = 0.55, kMostBackward = 1.05;
  if (!WinogradFits(product, g) || std::min(g.c, g.o) < kLeastChannels || g.c * g.o < kLeastPairs) return false;
  const Windows windows = product == Conv2dProduct::kInputGradient ? GradientWindows(g) : ForwardWindows(g);
  return windows.n * windows.oh * windows.ow >= kLeastPositions &&
         RelativeCost(windows) <= (product == Conv2dProduct::kForward ? kMostForward : kMostBackward);
}

template <typename T>
void WinogradForward(const Conv2dGeometry& g, const T* x, const T* filter, const T* bias, bool relu,
                     WeightLayouts* layouts, T* y) {
  const Windows windows = ForwardWindows(g);
  const int64_t at_once = ChannelsAtOnce(TileCount(windows) / g.n);
  const auto transform = [&](Range channels, Range outputs, const Matrices<T>& weights) {
    TransformFilter(filter, g.c, channels, outputs, weights);
  };
  if (layouts != nullptr) {
    const auto kept = [&](Range channels, Range outputs) {
      constexpr int64_t kWinograd = -1;  // no format of oneDNN's
      const Array& weights =
          layouts->FindOrMake({kWinograd, channels.begin, channels.end, outputs.begin, outputs.end}, [&] {
            StreamScope on_the_cpu(Stream::Cpu());
            Array made =
                Array::Empty({Matrices<T>(nullptr, channels.size(), outputs.size()).elements()}, DTypeOf<T>::value);
            transform(channels, outputs, Matrices<T>{made.template data<T>(), channels.size(), outputs.size()});
            return made;
          });
      return Matrices<const T>{weights.template data<T>(), channels.size(), outputs.size()};
    };
    return Convolve(windows, at_once, x, kept, bias, relu, y);
  }
  ConvolveTransforming(windows, at_once, x, transform, bias, relu, y);
}

template <typename T>
void WinogradInputGradient(const Conv2dGeometry& g, const T* filter, const T* dy, T* dx) {
  const Windows windows = GradientWindows(g);
  const int64_t at_once = ChannelsAtOnce(TileCount(windows));
  const auto transform = [&](Range outputs, Range channels, const Matrices<T>& weights) {
    TransformTurnedFilter(filter, g.c, outputs, channels, weights);
  };
  ConvolveTransforming(windows, at_once, dy, transform, static_cast<const T*>(nullptr), false, dx);
}

template <typename T>
void WinogradFilterGradient(const Conv2dGeometry& g, const T* x, const T* dy, T* dfilter) {
  const Windows windows = ForwardWindows(g);
  const std::vector<Tile> tiles = TilesOf(windows);
  const std::vector<Range> parts = Parts(static_cast<int64_t>(tiles.size()), kTilesAtOnce, 1),
                           channels = Parts(g.c, kChannelsAtOnce, kChannelUnit),
                           outputs = Parts(g.o, kChannelsAtOnce, kChannelUnit);
  Room<T> room_of_inputs(parts[0].size(), channels[0].size()), room_of_gradients(parts[0].size(), outputs[0].size()),
      room_of_sums(outputs[0].size(), channels[0].size());
  Changes other_inputs, other_gradients;
  for (const Range& some_outputs : outputs) {
    for (const Range& some_channels : channels) {
      const Matrices<T> sums = room_of_sums.Of(some_outputs.size(), some_channels.size());
      for (const Range& part : parts) {
        const Matrices<T> inputs = room_of_inputs.Of(part.size(), some_channels.size()),
                          gradients = room_of_gradients.Of(part.size(), some_outputs.size());
        if (other_inputs(part, some_channels)) {
          TransformInputs(windows, tiles, part, some_channels, x, inputs);
        }
        if (other_gradients(part, some_outputs)) {
          TransformResultGradients(windows, tiles, part, some_outputs, dy, gradients);
        }
        Multiply(gradients, true, inputs, part.begin > 0, sums);
      }
      TransformFilterGradient(sums, g.c, some_outputs, some_channels, dfilter);
    }
  }
}

#define FOR_TYPE(T)                                                                                             \
  template void WinogradForward(const Conv2dGeometry&, const T*, const T*, const T*, bool, WeightLayouts*, T*); \
  template void WinogradInputGradient(const Conv2dGeometry&, const T*, const T*, T*);                           \
  template void WinogradFilterGradient(const Conv2dGeometry&, const T*, const T*, T*);
FOR_TYPE(float)
FOR_TYPE(double)
#undef FOR_TYPE

}  // namespace autograd::cpu
