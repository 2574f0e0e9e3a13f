#include "autograd/ops/batch_norm_kernels.h"
#include "autograd/ops/norm_statistics.h"
#include "autograd/ops/normalize_channels_cuda.h"

namespace autograd::cuda {
namespace {

// Without channels there is nobody to count the rows, and nobody who reads the count.
template <typename T>
struct StoreMomentsAndRows {
  __device__ void operator()(int64_t o, int64_t c, const double (&sums)[2]) const {
    moments(o, c, sums);
    const MomentTerms<T>& terms = moments.terms;
    if (c == 0) moments.moments[2 * terms.channels] = static_cast<double>(terms.rows);
  }
  StoreMoments<T> moments;
};

template <typename Value>
__global__ void StatisticsKernel(const double* moments, int64_t channels, double epsilon, double momentum,
                                 Value* running_mean, Value* running_variance, Value* mean, Value* inverse_deviation) {
  const double rows = moments[2 * channels];
  for (int64_t c = GridIndex(); c < channels; c += GridStride()) {
    const MeanAndVariance batch(moments[c], moments[channels + c], rows);
    const double unbiased = batch.variance * rows / max(1.0, rows - 1);
    mean[c] = static_cast<Value>(batch.mean);
    inverse_deviation[c] = static_cast<Value>(InverseDeviation(batch.variance, epsilon));
    running_mean[c] = static_cast<Value>((1 - momentum) * running_mean[c] + momentum * batch.mean);
    running_variance[c] = static_cast<Value>((1 - momentum) * running_variance[c] + momentum * unbiased);
  }
}

template <typename Value>
__global__ void InverseDeviationKernel(const Value* variance, int64_t channels, double epsilon,
                                       Value* inverse_deviation) {
  for (int64_t c = GridIndex(); c < channels; c += GridStride()) {
    inverse_deviation[c] = static_cast<Value>(InverseDeviation(variance[c], epsilon));
  }
}

// dbeta = Σ dz and dgamma = Σ dz·n from the sums of GradientTerms.
template <typename Value>
struct StoreGradientSums {
  __device__ void operator()(int64_t, int64_t c, const double (&values)[2]) const {
    sums[c] = values[0];
    sums[channels + c] = values[1] * static_cast<double>(inverse_deviation[c]);
  }
  const Value* inverse_deviation;
  int64_t channels;
  double* sums;
};

// constant = gamma·inverse·dbeta / rows and slope = gamma·inverse²·dgamma / rows of InputGradientMap.
template <typename T, typename Value = ComputeType<T>>
__global__ void GradientCoefficientsKernel(WideOrNarrow<T> gamma, const Value* inverse_deviation, const double* sums,
                                           const double* moments, int64_t channels, Value* constant, Value* slope) {
  const double per_row = 1 / max(1.0, moments[2 * channels]);
  for (int64_t c = GridIndex(); c < channels; c += GridStride()) {
    const double inverse = inverse_deviation[c], scale = gamma[c] * inverse * per_row;
    constant[c] = static_cast<Value>(scale * sums[c]);
    slope[c] = static_cast<Value>(scale * inverse * sums[channels + c]);
  }
}

template <typename T, typename Value = ComputeType<T>>
Normalization<T> NormalizationOf(const Array& gamma, const Array& beta, const Array& mean,
                                 const Array& inverse_deviation, bool relu) {
  return {mean.data<Value>(),
          inverse_deviation.data<Value>(),
          WideOrNarrow<T>(gamma),
          WideOrNarrow<T>(beta),
          gamma.size(),
          1,
          relu};
}

}  // namespace

void BatchNormMoments(Stream& stream, const Array& x, Array& moments) {
  const int64_t channels = x.shape()[-1], rows = x.shape().rows();
  VisitFloating("BatchNorm", x.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const MomentTerms<T> terms{x.data<T>(), rows, channels};
    ChannelSums<kSize>("BatchNormMoments", stream, 1, rows, channels, channels % kSize == 0 && Aligned(x.raw()), terms,
                       StoreMomentsAndRows<T>{{terms, moments.data<double>()}});
  });
}

void BatchNormStatistics(Stream& stream, const Array& moments, double epsilon, double momentum, Array& running_mean,
                         Array& running_variance, Array& mean, Array& inverse_deviation) {
  VisitFloating("BatchNorm", mean.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Launch("BatchNormStatistics", stream, Blocks(mean.size()), kBlock, StatisticsKernel<Value>, moments.data<double>(),
           mean.size(), epsilon, momentum, running_mean.data<Value>(), running_variance.data<Value>(),
           mean.data<Value>(), inverse_deviation.data<Value>());
  });
}

void BatchNormInverseDeviation(Stream& stream, const Array& variance, double epsilon, Array& inverse_deviation) {
  VisitFloating("BatchNorm", variance.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    Launch("BatchNormInverseDeviation", stream, Blocks(variance.size()), kBlock, InverseDeviationKernel<Value>,
           variance.data<Value>(), variance.size(), epsilon, inverse_deviation.data<Value>());
  });
}

void BatchNormNormalize(Stream& stream, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                        const Array& inverse_deviation, bool relu, Array& y) {
  VisitFloating("BatchNorm", x.dtype(), [&]<typename T>(T) {
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = x.shape()[-1];
    MapChannels<kSize>(
        "BatchNormNormalize", stream, 1, x.shape().rows(), channels, channels % kSize == 0 && Aligned(x.raw(), y.raw()),
        NormalizeMap<T>{NormalizationOf<T>(gamma, beta, mean, inverse_deviation, relu), x.data<T>(), y.data<T>()});
  });
}

void BatchNormGradientSums(Stream& stream, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                           const Array& inverse_deviation, bool relu, const Array& dy, Array& sums) {
  VisitFloating("BatchNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = x.shape()[-1];
    ChannelSums<kSize>(
        "BatchNormGradientSums", stream, 1, x.shape().rows(), channels,
        channels % kSize == 0 && Aligned(x.raw(), dy.raw()),
        GradientTerms<T>{NormalizationOf<T>(gamma, beta, mean, inverse_deviation, relu), x.data<T>(), dy.data<T>()},
        StoreGradientSums<Value>{inverse_deviation.data<Value>(), channels, sums.data<double>()});
  });
}

void BatchNormInputGradient(Stream& stream, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                            const Array& inverse_deviation, bool relu, const Array& dy, const Array& sums,
                            const Array& moments, Array& dx) {
  VisitFloating("BatchNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const int64_t channels = x.shape()[-1];
    Array coefficients;
    Value *constant = nullptr, *slope = nullptr;
    if (sums.defined()) {
      coefficients = Array::Empty({2, channels}, DTypeOf<Value>::value);
      constant = coefficients.data<Value>();
      slope = constant + channels;
      Launch("BatchNormInputGradient", stream, Blocks(channels), kBlock, GradientCoefficientsKernel<T, Value>,
             WideOrNarrow<T>(gamma), inverse_deviation.data<Value>(), sums.data<double>(), moments.data<double>(),
             channels, constant, slope);
    }
    MapChannels<kSize>("BatchNormInputGradient", stream, 1, x.shape().rows(), channels,
                       channels % kSize == 0 && Aligned(x.raw(), dy.raw(), dx.raw()),
                       InputGradientMap<T>{NormalizationOf<T>(gamma, beta, mean, inverse_deviation, relu), x.data<T>(),
                                           dy.data<T>(), constant, slope, dx.data<T>()});
  });
}

}  // namespace autograd::cuda
