#pragma once

// What the normalisations share on the CPU: arrays seen as [outer, rows, channels] (outer is 1 for batch normalisation,
// the images for group normalisation and GRN), sums over the rows of each channel, and the affine map with one set of
// coefficients a channel.

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {

// The values of a small floating array, as a kernel computes them.
template <typename Value>
std::vector<Value> Widen(const Array& array) {
  std::vector<Value> values(array.size());
  VisitFloating("Widen", array.dtype(), [&]<typename T>(T) {
    const T* from = array.data<T>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<Value>(from[i]);
  });
  return values;
}

// `count` neighbours as a kernel computes them: where they are, or widened into `buffer`, for loops that read them more
// than once.
template <typename T, typename Value = ComputeType<T>>
const Value* Widened(const T* from, int64_t count, std::vector<Value>& buffer) {
  if constexpr (std::is_same_v<T, Value>) {
    return from;
  } else {
    buffer.resize(count);
    for (int64_t i = 0; i < count; ++i) buffer[i] = static_cast<Value>(from[i]);
    return buffer.data();
  }
}

// Rounds `values` into a small floating array.
inline void StoreChannels(const std::vector<double>& values, Array& array) {
  VisitFloating("StoreChannels", array.dtype(), [&]<typename T>(T) {
    T* to = array.data<T>();
    for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<T>(static_cast<ComputeType<T>>(values[i]));
  });
}

// Rows for one task of elementwise work.
inline int64_t RowGrain(int64_t channels) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, channels)); }

// sums[o, q, c] = Σ_r terms(o, r)(c)[q], where terms(o, r) is a function of the channel that returns `kQuantities`
// values. At most 64 rows are added in `Value`, further ones in float64; rows are cut at places that depend on the
// extents alone, so the sums are the same for any thread count.
template <typename Value, int kQuantities, typename Terms>
void ChannelSums(int64_t outer, int64_t rows, int64_t channels, const Terms& terms, double* sums) {
  constexpr int64_t kRun = 64, kTile = 512, kMostChunks = 64;
  const int64_t chunk = std::max<int64_t>(1, (rows + kRun * kMostChunks - 1) / (kRun * kMostChunks)) * kRun;
  const int64_t chunks = std::max<int64_t>(1, (rows + chunk - 1) / chunk);
  const int64_t width = kQuantities * channels;
  std::vector<double> partial(outer * chunks * width);
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, chunk * channels));
  ParallelFor(outer * chunks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t o = task / chunks, first = task % chunks * chunk, last = std::min(rows, first + chunk);
      double* const total = partial.data() + task * width;
      for (int64_t run = first; run < last; run += kRun) {
        const int64_t run_end = std::min(last, run + kRun);
        for (int64_t tile = 0; tile < channels; tile += kTile) {
          const int64_t count = std::min(kTile, channels - tile);
          Value run_sums[kQuantities][kTile] = {};
          for (int64_t r = run; r < run_end; ++r) {
            const auto row = terms(o, r);
            for (int64_t c = 0; c < count; ++c) {
              const std::array<Value, kQuantities> values = row(tile + c);
              for (int q = 0; q < kQuantities; ++q) run_sums[q][c] += values[q];
            }
          }
          for (int q = 0; q < kQuantities; ++q) {
            for (int64_t c = 0; c < count; ++c) total[q * channels + tile + c] += run_sums[q][c];
          }
        }
      }
    }
  });
  ParallelFor(outer * width, 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i / width;
      double sum = 0;
      for (int64_t k = 0; k < chunks; ++k) sum += partial[(o * chunks + k) * width + i % width];
      sums[i] = sum;
    }
  });
}

// moments[o, 0, c] = Σ x and moments[o, 1, c] = Σ x². Summed about the channel's first value, so that a large mean does
// not drown the variance in the float32 part of the sum.
template <typename T>
void ChannelMoments(int64_t outer, int64_t rows, int64_t channels, const T* x, double* moments) {
  using Value = ComputeType<T>;
  std::vector<Value> pivots(outer * channels);
  if (rows > 0) {
    for (int64_t i = 0; i < outer * channels; ++i) {
      pivots[i] = static_cast<Value>(x[i / channels * rows * channels + i % channels]);
    }
  }
  ChannelSums<Value, 2>(
      outer, rows, channels,
      [&](int64_t o, int64_t r) {
        const T* const row = x + (o * rows + r) * channels;
        const Value* const pivot = pivots.data() + o * channels;
        return [=](int64_t c) {
          const Value centred = static_cast<Value>(row[c]) - pivot[c];
          return std::array<Value, 2>{centred, centred * centred};
        };
      },
      moments);
  const double count = static_cast<double>(rows);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t c = 0; c < channels; ++c) {
      double& sum = moments[o * 2 * channels + c];
      double& squares = moments[(o * 2 + 1) * channels + c];
      const double pivot = pivots[o * channels + c];
      squares += pivot * (2 * sum + count * pivot);
      sum += count * pivot;
    }
  }
}

// y = (x − mean[o, c])·scale[o, c] + shift[c], and zero where that is negative if `relu`.
template <typename T, typename Value = ComputeType<T>>
void NormalizeChannels(int64_t outer, int64_t rows, int64_t channels, const T* x, const Value* mean, const Value* scale,
                       const Value* shift, bool relu, T* y) {
  ParallelFor(outer * rows, RowGrain(channels), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t o = row / rows;
      const T* const in = x + row * channels;
      T* const out = y + row * channels;
      const Value* const m = mean + o * channels;
      const Value* const s = scale + o * channels;
      if (relu) {
        for (int64_t c = 0; c < channels; ++c) {
          const Value z = (static_cast<Value>(in[c]) - m[c]) * s[c] + shift[c];
          out[c] = static_cast<T>(z > Value(0) ? z : Value(0));
        }
      } else {
        for (int64_t c = 0; c < channels; ++c) {
          out[c] = static_cast<T>((static_cast<Value>(in[c]) - m[c]) * s[c] + shift[c]);
        }
      }
    }
  });
}

// The sums over the rows that every gradient of NormalizeChannels needs: sums[o, 0, c] = Σ dz and
// sums[o, 1, c] = Σ dz·(x − mean), where dz is dy behind the ReLU, if there is one.
template <typename T, typename Value = ComputeType<T>>
void NormalizeChannelsSums(int64_t outer, int64_t rows, int64_t channels, const T* x, const T* dy, const Value* mean,
                           const Value* scale, const Value* shift, bool relu, double* sums) {
  auto terms = [=]<bool kRelu>(std::bool_constant<kRelu>) {
    return [=](int64_t o, int64_t r) {
      const T* const in = x + (o * rows + r) * channels;
      const T* const upstream = dy + (o * rows + r) * channels;
      const Value* const m = mean + o * channels;
      const Value* const s = scale + o * channels;
      return [=](int64_t c) {
        const Value centred = static_cast<Value>(in[c]) - m[c];
        Value dz = static_cast<Value>(upstream[c]);
        if constexpr (kRelu) dz = centred * s[c] + shift[c] > Value(0) ? dz : Value(0);
        return std::array<Value, 2>{dz, dz * centred};
      };
    };
  };
  if (relu) {
    ChannelSums<Value, 2>(outer, rows, channels, terms(std::true_type()), sums);
  } else {
    ChannelSums<Value, 2>(outer, rows, channels, terms(std::false_type()), sums);
  }
}

// dx = scale·dz − constant − slope·(x − mean), every coefficient [o, c].
template <typename T, typename Value = ComputeType<T>>
void NormalizeChannelsGradient(int64_t outer, int64_t rows, int64_t channels, const T* x, const T* dy,
                               const Value* mean, const Value* scale, const Value* shift, const Value* constant,
                               const Value* slope, bool relu, T* dx) {
  ParallelFor(outer * rows, RowGrain(channels), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t first = row / rows * channels;
      const T* const in = x + row * channels;
      const T* const upstream = dy + row * channels;
      T* const out = dx + row * channels;
      auto loop = [=]<bool kRelu>(std::bool_constant<kRelu>) {
        for (int64_t c = 0; c < channels; ++c) {
          const Value centred = static_cast<Value>(in[c]) - mean[first + c];
          Value dz = static_cast<Value>(upstream[c]);
          if constexpr (kRelu) dz = centred * scale[first + c] + shift[c] > Value(0) ? dz : Value(0);
          out[c] = static_cast<T>(scale[first + c] * dz - constant[first + c] - slope[first + c] * centred);
        }
      };
      if (relu) {
        loop(std::true_type());
      } else {
        loop(std::false_type());
      }
    }
  });
}

}  // namespace autograd::cpu
