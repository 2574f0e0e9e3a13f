#include "autograd/core/launch_cuda.h"
#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/layer_norm_kernels.h"

namespace autograd::cuda {
namespace {

// One warp a row: mean, then the centred variance, then the result; after the first pass the row is in the cache.
// kWidth neighbours at a time: a pack of 16 bytes, or one where the addresses do not allow packs.
template <int kWidth, typename T, typename P, typename Value>
__global__ void ForwardKernel(const T* x, const P* gamma, const P* beta, int64_t rows, int64_t channels, Value epsilon,
                              T* y, Value* means, Value* inverse_deviations) {
  const int lane = threadIdx.x % kWarp;
  const Value per_channel = Value(1) / static_cast<Value>(channels);
  for (int64_t r = GridIndex() / kWarp; r < rows; r += GridStride() / kWarp) {
    const T* const row = x + r * channels;
    Value values[kWidth];
    Value sum = 0;
    for (int64_t c = lane * kWidth; c < channels; c += kWarp * kWidth) {
      LoadMany(row + c, values);
      for (int k = 0; k < kWidth; ++k) sum += values[k];
    }
    const Value mean = WarpSum(sum) * per_channel;
    sum = 0;
    for (int64_t c = lane * kWidth; c < channels; c += kWarp * kWidth) {
      LoadMany(row + c, values);
      for (int k = 0; k < kWidth; ++k) sum += (values[k] - mean) * (values[k] - mean);
    }
    const Value inverse = Value(1) / sqrt(WarpSum(sum) * per_channel + epsilon);
    for (int64_t c = lane * kWidth; c < channels; c += kWarp * kWidth) {
      Value scale[kWidth], shift[kWidth];
      LoadMany(row + c, values);
      LoadMany(gamma + c, scale);
      LoadMany(beta + c, shift);
      for (int k = 0; k < kWidth; ++k) values[k] = (values[k] - mean) * inverse * scale[k] + shift[k];
      StoreMany(y + r * channels + c, values);
    }
    if (lane == 0) {
      means[r] = mean;
      inverse_deviations[r] = inverse;
    }
  }
}

// dx = inverse deviation · (g − mean(g) − n·mean(g·n)) with g = dy·gamma and n the normalised x; one warp a row.
template <int kWidth, typename T, typename P, typename Value>
__global__ void InputGradientKernel(const T* x, const P* gamma, const Value* means, const Value* inverse_deviations,
                                    const T* dy, int64_t rows, int64_t channels, T* dx) {
  const int lane = threadIdx.x % kWarp;
  const Value per_channel = Value(1) / static_cast<Value>(channels);
  for (int64_t r = GridIndex() / kWarp; r < rows; r += GridStride() / kWarp) {
    const int64_t first = r * channels;
    const Value mean = means[r], inverse = inverse_deviations[r];
    Value normalised[kWidth], g[kWidth], scale[kWidth];
    Value sum = 0, product = 0;
    for (int64_t c = lane * kWidth; c < channels; c += kWarp * kWidth) {
      LoadMany(x + first + c, normalised);
      LoadMany(dy + first + c, g);
      LoadMany(gamma + c, scale);
      for (int k = 0; k < kWidth; ++k) {
        sum += g[k] * scale[k];
        product += g[k] * scale[k] * ((normalised[k] - mean) * inverse);
      }
    }
    const Value mean_g = WarpSum(sum) * per_channel, mean_gn = WarpSum(product) * per_channel;
    for (int64_t c = lane * kWidth; c < channels; c += kWarp * kWidth) {
      LoadMany(x + first + c, normalised);
      LoadMany(dy + first + c, g);
      LoadMany(gamma + c, scale);
      for (int k = 0; k < kWidth; ++k) {
        g[k] = inverse * (g[k] * scale[k] - mean_g - (normalised[k] - mean) * inverse * mean_gn);
      }
      StoreMany(dx + first + c, g);
    }
  }
}

// Σ dy·n and Σ dy over the rows.
template <typename T>
struct ParameterTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 2;

  template <int kWidth>
  struct Column {
    __device__ Column(const ParameterTerms& terms, int64_t, int64_t) : of(terms) {}
    __device__ void Add(int64_t row, int64_t offset, Value (&sums)[2][kWidth]) const {
      Value x[kWidth], dy[kWidth];
      LoadMany(of.x + offset, x);
      LoadMany(of.dy + offset, dy);
      const Value mean = of.means[row], inverse = of.inverse_deviations[row];
      for (int k = 0; k < kWidth; ++k) {
        sums[0][k] += dy[k] * ((x[k] - mean) * inverse);
        sums[1][k] += dy[k];
      }
    }
    const ParameterTerms& of;
  };

  const T* x;
  const Value* means;
  const Value* inverse_deviations;
  const T* dy;
};

// Calls visitor(T(), P()) for the dtypes of the activations and of the parameters, which are T or what T is computed
// in.
template <typename Visitor>
void VisitTypes(const Array& x, const Array& parameter, const Visitor& visitor) {
  VisitFloating("LayerNorm", x.dtype(), [&]<typename T>(T) {
    if (parameter.dtype() == x.dtype()) {
      visitor(T(), T());
    } else {
      visitor(T(), ComputeType<T>());
    }
  });
}

}  // namespace

void LayerNormForward(Stream& stream, const Array& x, const Array& gamma, const Array& beta, double epsilon, Array& y,
                      Array& mean, Array& inverse_deviation) {
  if (x.size() == 0) return;
  VisitTypes(x, gamma, [&]<typename T, typename P>(T, P) {
    using Value = ComputeType<T>;
    const int64_t rows = x.shape().rows(), channels = x.shape()[-1];
    auto launch = [&](auto* kernel) {
      Launch("LayerNormForward", stream, Blocks(rows * kWarp), kBlock, kernel, x.data<T>(), gamma.data<P>(),
             beta.data<P>(), rows, channels, static_cast<Value>(epsilon), y.data<T>(), mean.data<Value>(),
             inverse_deviation.data<Value>());
    };
    if (channels % Pack<T>::kSize == 0 && Aligned(x.raw(), gamma.raw(), beta.raw(), y.raw())) {
      launch(&ForwardKernel<Pack<T>::kSize, T, P, Value>);
    } else {
      launch(&ForwardKernel<1, T, P, Value>);
    }
  });
}

void LayerNormGradient(Stream& stream, const Array& x, const Array& gamma, const Array& mean,
                       const Array& inverse_deviation, const Array& dy, Array& dx, Array& dgamma, Array& dbeta) {
  if (gamma.size() == 0) return;
  VisitTypes(x, gamma, [&]<typename T, typename P>(T, P) {
    using Value = ComputeType<T>;
    const int64_t rows = x.shape().rows(), channels = x.shape()[-1];
    if (dx.defined() && rows > 0) {
      auto launch = [&](auto* kernel) {
        Launch("LayerNormGradient", stream, Blocks(rows * kWarp), kBlock, kernel, x.data<T>(), gamma.data<P>(),
               mean.data<Value>(), inverse_deviation.data<Value>(), dy.data<T>(), rows, channels, dx.data<T>());
      };
      if (channels % Pack<T>::kSize == 0 && Aligned(x.raw(), gamma.raw(), dy.raw(), dx.raw())) {
        launch(&InputGradientKernel<Pack<T>::kSize, T, P, Value>);
      } else {
        launch(&InputGradientKernel<1, T, P, Value>);
      }
    }
    if (!dgamma.defined()) return;
    constexpr int kSize = Pack<T>::kSize;
    ChannelSums<kSize>(
        "LayerNormGradient", stream, 1, rows, channels, channels % kSize == 0 && Aligned(x.raw(), dy.raw()),
        ParameterTerms<T>{x.data<T>(), mean.data<Value>(), inverse_deviation.data<Value>(), dy.data<T>()},
        StoreParameterGradients<P>{WideOrNarrow<P>(dgamma), WideOrNarrow<P>(dbeta)});
  });
}

}  // namespace autograd::cuda
