#include <cmath>
#include <vector>

#include "autograd/cpu/scratch.h"
#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/grn_activations.h"
#include "autograd/ops/grn_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd::cpu {
namespace {

// 1 / (mean of the image's norms + epsilon)
template <typename Value>
double InverseMean(const Value* norms, int64_t channels, double epsilon) {
  double sum = 0;
  for (int64_t c = 0; c < channels; ++c) sum += static_cast<double>(norms[c]);
  return 1 / (sum / static_cast<double>(channels) + epsilon);
}

}  // namespace

void GrnForward(Stream&, const Array& x, const Array& weight, const Array& bias, double epsilon, bool gelu, Array& y,
                Array& norms) {
  VisitFloating("Grn", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const ImageExtents extents(x);
    const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
    const T* const in = x.data<T>();
    T* const out = y.data<T>();
    Value* const g = norms.data<Value>();
    const std::vector<Value> w = Widen<Value>(weight), shifts = Widen<Value>(bias);
    grn::VisitActivation(gelu, [&]<typename Activation>(Activation) {
      // h waits for its scale in y, or in memory of its own where y would round it: GELU costs more than a round trip.
      constexpr bool kKeepsActivation = std::is_same_v<Activation, grn::Gelu>;
      constexpr bool kKeptInResult = std::is_same_v<T, Value>;
      Scratch<Value> beside(kKeepsActivation && !kKeptInResult ? x.size() : 0);
      Value* activations = nullptr;
      if constexpr (kKeptInResult) {
        activations = out;
      } else {
        activations = beside.data();
      }
      std::vector<double> squares(images * channels);
      ChannelSums<Value, 1>(
          images, pixels, channels,
          [=](int64_t n, int64_t r) {
            const T* const row = in + (n * pixels + r) * channels;
            Value* const kept = kKeepsActivation ? activations + (n * pixels + r) * channels : nullptr;
            return [=](int64_t c) {
              const Value h = Activation::Value(static_cast<Value>(row[c]));
              if constexpr (kKeepsActivation) kept[c] = h;
              return std::array<Value, 1>{h * h};
            };
          },
          squares.data());
      std::vector<Value> scales(images * channels);
      for (int64_t n = 0; n < images; ++n) {
        for (int64_t c = 0; c < channels; ++c)
          g[n * channels + c] = static_cast<Value>(std::sqrt(squares[n * channels + c]));
        const double inverse = InverseMean(g + n * channels, channels, epsilon);
        for (int64_t c = 0; c < channels; ++c) {
          scales[n * channels + c] = static_cast<Value>(1 + static_cast<double>(w[c]) * g[n * channels + c] * inverse);
        }
      }
      const Value* const scale = scales.data();
      const Value* const shift = shifts.data();
      ParallelFor(images * pixels, RowGrain(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const T* const row = in + r * channels;
          T* const result = out + r * channels;
          const Value* const s = scale + r / pixels * channels;
          if constexpr (kKeepsActivation) {
            const Value* const h = activations + r * channels;
            // h may be the result itself.
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) result[c] = static_cast<T>(h[c] * s[c] + shift[c]);
          } else {
            for (int64_t c = 0; c < channels; ++c) {
              result[c] = static_cast<T>(Activation::Value(static_cast<Value>(row[c])) * s[c] + shift[c]);
            }
          }
        }
      });
    });
  });
}

// With S[n, c] = Σ dy·h over the image and m[n] = 1 / (mean g + epsilon), so that r = g·m:
//   dweight = Σ_n S·r,  dbias = Σ dy,  ∂L/∂g[c] = weight[c]·S[c]·m − (m²/C)·Σ_k weight[k]·S[k]·g[k],
//   dh = dy·(1 + weight·r) + ∂L/∂g · h / g.
void GrnGradient(Stream&, const Array& x, const Array& weight, const Array& norms, double epsilon, bool gelu,
                 const Array& dy, Array& dx, Array& dweight, Array& dbias) {
  VisitFloating("GrnGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const ImageExtents extents(x);
    const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
    const T* const in = x.data<T>();
    const T* const upstream = dy.data<T>();
    T* const out = dx.data<T>();
    const Value* const g = norms.data<Value>();
    const std::vector<double> w = Widen<double>(weight);
    grn::VisitActivation(gelu, [&]<typename Activation>(Activation) {
      std::vector<double> sums(images * 2 * channels);
      ChannelSums<Value, 2>(
          images, pixels, channels,
          [=](int64_t n, int64_t r) {
            const T* const row = in + (n * pixels + r) * channels;
            const T* const dy_row = upstream + (n * pixels + r) * channels;
            return [=](int64_t c) {
              const Value d = static_cast<Value>(dy_row[c]);
              return std::array<Value, 2>{d, d * Activation::Value(static_cast<Value>(row[c]))};
            };
          },
          sums.data());

      std::vector<Value> scales(images * channels), slopes(images * channels);
      std::vector<double> weight_sums(channels), bias_sums(channels);
      for (int64_t n = 0; n < images; ++n) {
        const double* const total = sums.data() + n * 2 * channels;
        const double* const products = total + channels;
        const Value* const norm = g + n * channels;
        const double inverse = InverseMean(norm, channels, epsilon);
        double shared = 0;
        for (int64_t c = 0; c < channels; ++c) {
          shared += w[c] * products[c] * norm[c];
          weight_sums[c] += products[c] * norm[c] * inverse;
          bias_sums[c] += total[c];
        }
        shared *= inverse * inverse / static_cast<double>(channels);
        for (int64_t c = 0; c < channels; ++c) {
          scales[n * channels + c] = static_cast<Value>(1 + w[c] * norm[c] * inverse);
          // A channel that is zero in the whole image has no direction: its norm passes nothing back.
          slopes[n * channels + c] =
              norm[c] > 0 ? static_cast<Value>((w[c] * products[c] * inverse - shared) / norm[c]) : Value(0);
        }
      }
      StoreChannels(weight_sums, dweight);
      StoreChannels(bias_sums, dbias);

      const Value* const scale = scales.data();
      const Value* const slope = slopes.data();
      ParallelFor(images * pixels, RowGrain(channels), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          const T* const row = in + r * channels;
          const T* const dy_row = upstream + r * channels;
          T* const result = out + r * channels;
          const int64_t first = r / pixels * channels;
          for (int64_t c = 0; c < channels; ++c) {
            result[c] = static_cast<T>(Activation::Gradient(static_cast<Value>(row[c]), scale[first + c],
                                                            slope[first + c], static_cast<Value>(dy_row[c])));
          }
        }
      });
    });
  });
}

}  // namespace autograd::cpu
