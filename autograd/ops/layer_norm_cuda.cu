#include <algorithm>

#include "autograd/core/launch_cuda.h"
#include "autograd/ops/layer_norm_kernels.h"

namespace autograd::cuda {
namespace {

constexpr int kRowsOfThreads = 8;

// One warp a row: mean, then the centred variance, then the result; after the first pass the row is in the cache. kWidth neighbours
// at a time: a pack of 16 bytes, or one where the addresses do not allow packs.
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

// Adds the values of the block's rows of threads; the result is complete in row 0.
template <typename Value>
__device__ Value SumOverRowsOfThreads(Value value, Value (&shared)[kRowsOfThreads][kWarp]) {
  __syncthreads();
  shared[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  value = 0;
  if (threadIdx.y == 0) {
    for (int row = 0; row < kRowsOfThreads; ++row) value += shared[row][threadIdx.x];
  }
  return value;
}

// partial[k, 0, c] = Σ dy·n and partial[k, 1, c] = Σ dy over chunk k of the rows. Block (k, j) takes 32 neighbouring channels.
template <typename T, typename Value>
__global__ void PartialSumsKernel(const T* x, const Value* means, const Value* inverse_deviations, const T* dy,
                                  int64_t rows, int64_t channels, int64_t chunk, Value* partial) {
  SHARED_MEMORY(shared, Value[kRowsOfThreads][kWarp]);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x, k = blockIdx.x;
  const int64_t last = min(rows, (k + 1) * chunk);
  Value gamma_sum = 0, beta_sum = 0;
  if (c < channels) {
    for (int64_t r = k * chunk + threadIdx.y; r < last; r += kRowsOfThreads) {
      const Value d = Load(dy + r * channels + c);
      gamma_sum += d * ((Load(x + r * channels + c) - means[r]) * inverse_deviations[r]);
      beta_sum += d;
    }
  }
  gamma_sum = SumOverRowsOfThreads(gamma_sum, shared);
  beta_sum = SumOverRowsOfThreads(beta_sum, shared);
  if (threadIdx.y == 0 && c < channels) {
    partial[k * 2 * channels + c] = gamma_sum;
    partial[(k * 2 + 1) * channels + c] = beta_sum;
  }
}

// The second stage: the sum over the chunks, each row of threads its share, in an order that never changes.
template <typename P, typename Value>
__global__ void ParameterGradientKernel(const Value* partial, int64_t chunks, int64_t channels, P* dgamma, P* dbeta) {
  SHARED_MEMORY(shared, Value[kRowsOfThreads][kWarp]);
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  Value gamma_sum = 0, beta_sum = 0;
  if (c < channels) {
    for (int64_t k = threadIdx.y; k < chunks; k += kRowsOfThreads) {
      gamma_sum += partial[k * 2 * channels + c];
      beta_sum += partial[(k * 2 + 1) * channels + c];
    }
  }
  gamma_sum = SumOverRowsOfThreads(gamma_sum, shared);
  beta_sum = SumOverRowsOfThreads(beta_sum, shared);
  if (threadIdx.y == 0 && c < channels) {
    dgamma[c] = static_cast<P>(gamma_sum);
    dbeta[c] = static_cast<P>(beta_sum);
  }
}

// Calls visitor(T(), P()) for the dtypes of the activations and of the parameters, which are T or what T is computed in.
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
    // Enough blocks for the device, and few enough partial sums for the second stage.
    const int64_t chunk = std::max<int64_t>(64, (rows + 255) / 256), chunks = (rows + chunk - 1) / chunk;
    const unsigned columns = static_cast<unsigned>((channels + kWarp - 1) / kWarp);
    Array partial = Array::Empty({chunks, 2, channels}, DTypeOf<Value>::value);
    if (chunks > 0) {
      Launch("LayerNormGradient", stream, dim3(static_cast<unsigned>(chunks), columns), dim3(kWarp, kRowsOfThreads),
             PartialSumsKernel<T, Value>, x.data<T>(), mean.data<Value>(), inverse_deviation.data<Value>(),
             dy.data<T>(), rows, channels, chunk, partial.data<Value>());
    }
    Launch("LayerNormGradient", stream, columns, dim3(kWarp, kRowsOfThreads), ParameterGradientKernel<P, Value>,
           partial.data<Value>(), chunks, channels, dgamma.data<P>(), dbeta.data<P>());
  });
}

}  // namespace autograd::cuda
