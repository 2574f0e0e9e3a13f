#include <algorithm>
#include <array>
#include <vector>

#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/lanes_cpu.h"
#include "autograd/ops/layer_norm_kernels.h"
#include "autograd/runtime/math.h"

namespace autograd::cpu {

void LayerNormForward(Stream&, const Array& x, const Array& gamma, const Array& beta, double epsilon, Array& y,
                      Array& mean, Array& inverse_deviation) {
  VisitFloating("LayerNorm", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t channels = x.shape()[-1], rows = x.shape().rows();
    const std::vector<Value> scales = Widen<Value>(gamma), shifts = Widen<Value>(beta);
    const Value* const scale = scales.data();
    const Value* const shift = shifts.data();
    const T* const in = x.data<T>();
    T* const out = y.data<T>();
    Value* const means = mean.data<Value>();
    Value* const inverse = inverse_deviation.data<Value>();
    const Value per_channel = Value(1) / static_cast<Value>(std::max<int64_t>(1, channels));
    ParallelFor(rows, RowGrain(channels), [=](int64_t begin, int64_t end) {
      std::vector<Value> widened;
      for (int64_t r = begin; r < end; ++r) {
        const Value* const row = Widened(in + r * channels, channels, widened);
        T* const result = out + r * channels;
        const Value m = per_channel * SumLanes<Value>(channels, [=](int64_t c) { return row[c]; });
        const Value variance = per_channel * SumLanes<Value>(channels, [=](int64_t c) {
                                 const Value centred = row[c] - m;
                                 return centred * centred;
                               });
        const Value factor = Value(1) / math::Sqrt(variance + static_cast<Value>(epsilon));
        means[r] = m;
        inverse[r] = factor;
        for (int64_t c = 0; c < channels; ++c) {
          result[c] = static_cast<T>((row[c] - m) * factor * scale[c] + shift[c]);
        }
      }
    });
  });
}

// With n = (x − mean)·inverse deviation and g = dy·gamma:  dx = inverse deviation · (g − mean(g) − n·mean(g·n)),
// dgamma = Σ dy·n, dbeta = Σ dy. One pass over the rows; the sums over rows are cut at fixed places.
void LayerNormGradient(Stream&, const Array& x, const Array& gamma, const Array& mean, const Array& inverse_deviation,
                       const Array& dy, Array& dx, Array& dgamma, Array& dbeta) {
  VisitFloating("LayerNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int64_t kRun = 64, kMostChunks = 64;
    const int64_t channels = x.shape()[-1], rows = x.shape().rows();
    const std::vector<Value> scales = Widen<Value>(gamma);
    const Value* const scale = scales.data();
    const T* const in = x.data<T>();
    const T* const upstream = dy.data<T>();
    const Value* const means = mean.data<Value>();
    const Value* const inverse = inverse_deviation.data<Value>();
    T* const out = dx.defined() ? dx.data<T>() : nullptr;
    const bool wants_parameters = dgamma.defined();
    const Value per_channel = Value(1) / static_cast<Value>(std::max<int64_t>(1, channels));

    const int64_t chunk = std::max<int64_t>(1, (rows + kRun * kMostChunks - 1) / (kRun * kMostChunks)) * kRun;
    const int64_t chunks = (rows + chunk - 1) / chunk;
    std::vector<double> partial(wants_parameters ? chunks * 2 * channels : 0);
    ParallelFor(chunks, RowGrain(channels * chunk), [&](int64_t begin, int64_t end) {
      std::vector<Value> run_sums(2 * channels), widened_x, widened_dy;
      Value* const dgamma_run = run_sums.data();
      Value* const dbeta_run = dgamma_run + channels;
      for (int64_t k = begin; k < end; ++k) {
        const int64_t last = std::min(rows, (k + 1) * chunk);
        for (int64_t r = k * chunk; r < last; ++r) {
          const Value* const row = Widened(in + r * channels, channels, widened_x);
          const Value* const dy_row = Widened(upstream + r * channels, channels, widened_dy);
          const Value m = means[r], factor = inverse[r];
          if (out != nullptr) {
            T* const dx_row = out + r * channels;
            const std::array<Value, 2> sums = SumLanesOfTwo<Value>(channels, [=](int64_t c) {
              const Value g = dy_row[c] * scale[c];
              return std::array<Value, 2>{g, g * ((row[c] - m) * factor)};
            });
            const Value mean_g = per_channel * sums[0], mean_gn = per_channel * sums[1];
            // The compiler cannot know that what is written is not what is read.
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) {
              const Value d = dy_row[c], n = (row[c] - m) * factor;
              dx_row[c] = static_cast<T>(factor * (d * scale[c] - mean_g - n * mean_gn));
              dgamma_run[c] += d * n;
              dbeta_run[c] += d;
            }
          } else {
#pragma GCC ivdep
            for (int64_t c = 0; c < channels; ++c) {
              const Value d = dy_row[c];
              dgamma_run[c] += d * ((row[c] - m) * factor);
              dbeta_run[c] += d;
            }
          }
          if (!wants_parameters) continue;
          if (r % kRun == kRun - 1 || r == last - 1) {
            double* const total = partial.data() + k * 2 * channels;
            for (int64_t c = 0; c < 2 * channels; ++c) total[c] += run_sums[c];
            std::fill(run_sums.begin(), run_sums.end(), Value(0));
          }
        }
      }
    });
    if (!wants_parameters) return;
    std::vector<double> sums(2 * channels);
    for (int64_t k = 0; k < chunks; ++k) {
      for (int64_t i = 0; i < 2 * channels; ++i) sums[i] += partial[k * 2 * channels + i];
    }
    StoreChannels({sums.begin(), sums.begin() + channels}, dgamma);
    StoreChannels({sums.begin() + channels, sums.end()}, dbeta);
  });
}

}  // namespace autograd::cpu
