#include "autograd/ops/winograd_tiles_cpu.h"

#include <algorithm>
#include <array>

#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu::winograd {
namespace {

int64_t TilesAlong(int64_t results, int64_t dilation) {
  int64_t tiles = 0;
  for (int64_t phase = 0; phase < std::min(dilation, results); ++phase)
    tiles += CeilDivide(CeilDivide(results - phase, dilation), kOutputs);
  return tiles;
}

int64_t Grain(int64_t channels) { return std::max<int64_t>(1, (1 << 10) / channels); }

// The pixels of a tile, kSize × kSize of them from (row, column) of an image [h, w, c] on, `dilation` apart: null where
// there is none.
template <int kSize, typename T>
std::array<const T*, kSize * kSize> PixelsOf(const T* image, int64_t h, int64_t w, int64_t c, int64_t row,
                                             int64_t column, int64_t dilation) {
  std::array<const T*, kSize * kSize> pixels;
  for (int i = 0; i < kSize; ++i) {
    for (int j = 0; j < kSize; ++j) {
      const int64_t at_row = row + i * dilation, at_column = column + j * dilation;
      const bool inside = at_row >= 0 && at_row < h && at_column >= 0 && at_column < w;
      pixels[i * kSize + j] = inside ? image + (at_row * w + at_column) * c : nullptr;
    }
  }
  return pixels;
}

// With Axis = OfInput the windows' inputs, which begin `padding` before the tile's results; with OfResultGradient the
// results' gradients.
template <typename Axis, typename T>
void TransformPixels(const T* images, int64_t h, int64_t w, int64_t c, int64_t padding, int64_t dilation,
                     const std::vector<Tile>& tiles, Range some, Range channels, const Matrices<T>& to) {
  constexpr int kSize = Axis::kFrom;
  alignas(64) static constexpr T kNothing[kLanes<T>] = {};
  ParallelFor(some.size(), Grain(channels.size()), [&](int64_t begin, int64_t end) {
    const int64_t length = channels.size(), matrix = to.matrix;
    for (int64_t t = begin; t < end; ++t) {
      const Tile& tile = tiles[some.begin + t];
      const auto pixels = PixelsOf<kSize>(images + tile.image * h * w * c + channels.begin, h, w, c, tile.row - padding,
                                          tile.column - padding, dilation);
      std::array<const T*, kSize * kSize> from;
      std::array<int64_t, kSize * kSize> step;
      for (int i = 0; i < kSize * kSize; ++i) {
        from[i] = pixels[i] == nullptr ? kNothing : pixels[i];
        step[i] = pixels[i] == nullptr ? 0 : 1;
      }
      T* out = to.At(0, t);
      for (int64_t channel = 0; channel < length; channel += kLanes<T>) {
        Lanes<T> in[kSize * kSize], transformed[kProducts];
        for (int i = 0; i < kSize * kSize; ++i) in[i] = Load(from[i] + step[i] * channel);
        Transform<Axis>(in, transformed);
        for (int i = 0; i < kProducts; ++i) Store(out + i * matrix + channel, transformed[i]);
      }
    }
  });
}

// A vector of channels of the taps of one output, transformed; those of the input gradient are turned around.
template <typename T>
void TransformTaps(const T* taps, int64_t c, bool turned, Lanes<T> (&transformed)[kProducts]) {
  Lanes<T> in[kTaps * kTaps];
  for (int i = 0; i < kTaps * kTaps; ++i) in[i] = Load(taps + (turned ? kTaps * kTaps - 1 - i : i) * c);
  Transform<OfFilter>(in, transformed);
}

}  // namespace

int64_t TileCount(const Windows& windows) {
  return windows.n * TilesAlong(windows.oh, windows.dilation) * TilesAlong(windows.ow, windows.dilation);
}

std::vector<Tile> TilesOf(const Windows& windows) {
  const int64_t d = windows.dilation, step = kOutputs * d;
  std::vector<Tile> tiles;
  tiles.reserve(TileCount(windows));
  for (int64_t image = 0; image < windows.n; ++image) {
    for (int64_t phase_row = 0; phase_row < std::min(d, windows.oh); ++phase_row) {
      for (int64_t phase_column = 0; phase_column < std::min(d, windows.ow); ++phase_column) {
        for (int64_t row = phase_row; row < windows.oh; row += step)
          for (int64_t column = phase_column; column < windows.ow; column += step)
            tiles.push_back({image, row, column});
      }
    }
  }
  return tiles;
}

template <typename T>
void TransformInputs(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range channels, const T* x,
                     const Matrices<T>& to) {
  TransformPixels<OfInput>(x, windows.h, windows.w, windows.c, windows.padding, windows.dilation, tiles, some, channels,
                           to);
}

template <typename T>
void TransformResults(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range outputs,
                      const Matrices<T>& from, const T* bias, bool relu, T* y) {
  const int64_t d = windows.dilation;
  ParallelFor(some.size(), Grain(outputs.size()), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const Tile& tile = tiles[some.begin + t];
      const bool second_row = tile.row + d < windows.oh, second_column = tile.column + d < windows.ow;
      T* first = y + ((tile.image * windows.oh + tile.row) * windows.ow + tile.column) * windows.o + outputs.begin;
      const int64_t down = d * windows.ow * windows.o, right = d * windows.o;
      const T* in = from.At(0, t);
      const int64_t length = outputs.size(), matrix = from.matrix;
      for (int64_t channel = 0; channel < length; channel += kLanes<T>) {
        Lanes<T> sums[kProducts], out[kOutputs * kOutputs];
        for (int i = 0; i < kProducts; ++i) sums[i] = Load(in + i * matrix + channel);
        Transform<OfResult>(sums, out);
        if (bias != nullptr) {
          const Lanes<T> shift = Load(bias + outputs.begin + channel);
          for (auto& value : out) value += shift;
        }
        if (relu) {
          for (auto& value : out) value = value < T(0) ? Lanes<T>{} : value;
        }
        Store(first + channel, out[0]);
        if (second_column) Store(first + right + channel, out[1]);
        if (second_row) Store(first + down + channel, out[2]);
        if (second_row && second_column) Store(first + down + right + channel, out[3]);
      }
    }
  });
}

template <typename T>
void TransformResultGradients(const Windows& windows, const std::vector<Tile>& tiles, Range some, Range outputs,
                              const T* dy, const Matrices<T>& to) {
  TransformPixels<OfResultGradient>(dy, windows.oh, windows.ow, windows.o, 0, windows.dilation, tiles, some, outputs,
                                    to);
}

template <typename T>
void TransformFilter(const T* filter, int64_t c, Range channels, Range outputs, const Matrices<T>& to) {
  constexpr int64_t n = kLanes<T>;
  ParallelFor(outputs.size() / n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin * n; o < end * n; o += n) {
      const T* taps = filter + (outputs.begin + o) * kTaps * kTaps * c + channels.begin;
      for (int64_t channel = 0; channel < channels.size(); channel += n) {
        Lanes<T> squares[kProducts][n];
        for (int i = 0; i < n; ++i) {
          Lanes<T> transformed[kProducts];
          TransformTaps(taps + i * kTaps * kTaps * c + channel, c, false, transformed);
          for (int product = 0; product < kProducts; ++product) squares[product][i] = transformed[product];
        }
        for (int product = 0; product < kProducts; ++product) {
          Transpose<T>(squares[product]);
          for (int i = 0; i < n; ++i) Store(to.At(product, channel + i, o), squares[product][i]);
        }
      }
    }
  });
}

template <typename T>
void TransformTurnedFilter(const T* filter, int64_t c, Range outputs, Range channels, const Matrices<T>& to) {
  ParallelFor(outputs.size(), Grain(channels.size()), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const T* taps = filter + (outputs.begin + o) * kTaps * kTaps * c + channels.begin;
      for (int64_t channel = 0; channel < channels.size(); channel += kLanes<T>) {
        Lanes<T> transformed[kProducts];
        TransformTaps(taps + channel, c, true, transformed);
        for (int product = 0; product < kProducts; ++product) Store(to.At(product, o, channel), transformed[product]);
      }
    }
  });
}

template <typename T>
void TransformFilterGradient(const Matrices<T>& from, int64_t c, Range outputs, Range channels, T* dfilter) {
  ParallelFor(outputs.size(), Grain(channels.size()), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      T* taps = dfilter + (outputs.begin + o) * kTaps * kTaps * c + channels.begin;
      const T* in = from.At(0, o);
      const int64_t length = channels.size(), matrix = from.matrix;
      for (int64_t channel = 0; channel < length; channel += kLanes<T>) {
        Lanes<T> sums[kProducts], out[kTaps * kTaps];
        for (int i = 0; i < kProducts; ++i) sums[i] = Load(in + i * matrix + channel);
        Transform<OfFilterGradient>(sums, out);
        for (int i = 0; i < kTaps * kTaps; ++i) Store(taps + i * c + channel, out[i]);
      }
    }
  });
}

#define FOR_TYPE(T)                                                                                                    \
  template void TransformInputs(const Windows&, const std::vector<Tile>&, Range, Range, const T*, const Matrices<T>&); \
  template void TransformResults(const Windows&, const std::vector<Tile>&, Range, Range, const Matrices<T>&, const T*, \
                                 bool, T*);                                                                            \
  template void TransformResultGradients(const Windows&, const std::vector<Tile>&, Range, Range, const T*,             \
                                         const Matrices<T>&);                                                          \
  template void TransformFilter(const T*, int64_t, Range, Range, const Matrices<T>&);                                  \
  template void TransformTurnedFilter(const T*, int64_t, Range, Range, const Matrices<T>&);                            \
  template void TransformFilterGradient(const Matrices<T>&, int64_t, Range, Range, T*);
FOR_TYPE(float)
FOR_TYPE(double)
#undef FOR_TYPE

}  // namespace autograd::cpu::winograd
