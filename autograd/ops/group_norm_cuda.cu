#include "autograd/ops/group_norm_kernels.h"
#include "autograd/ops/norm_statistics.h"
#include "autograd/ops/normalize_channels_cuda.h"

namespace autograd::cuda {
namespace {

// The statistics of each group from the moments [n, 2, c] of its channels: one warp a group.
template <typename Value>
__global__ void StatisticsKernel(const double* moments, GroupExtents extents, double epsilon, Value* mean,
                                 Value* inverse_deviation) {
  const int lane = threadIdx.x % kWarp;
  const double count = static_cast<double>(extents.pixels * extents.width);
  for (int64_t i = GridIndex() / kWarp; i < extents.images * extents.groups; i += GridStride() / kWarp) {
    const int64_t n = i / extents.groups, first = (i - n * extents.groups) * extents.width;
    const double* const sums = moments + 2 * n * extents.channels + first;
    double sum = 0, squares = 0;
    for (int64_t c = lane; c < extents.width; c += kWarp) {
      sum += sums[c];
      squares += sums[extents.channels + c];
    }
    const MeanAndVariance group(WarpSum(sum), WarpSum(squares), count);
    if (lane == 0) {
      mean[i] = static_cast<Value>(group.mean);
      inverse_deviation[i] = static_cast<Value>(InverseDeviation(group.variance, epsilon));
    }
  }
}

// Per group constant = inverse·mean(gamma·dz) and slope = inverse²·mean(gamma·dz·n) of InputGradientMap from the sums
// [n, 2, c] of GradientTerms, whose second half becomes the images' parts of dgamma. One warp a group.
template <typename T, typename Value = ComputeType<T>>
__global__ void GradientCoefficientsKernel(WideOrNarrow<T> gamma, const Value* inverse_deviation, GroupExtents extents,
                                           double* sums, Value* constant, Value* slope) {
  const int lane = threadIdx.x % kWarp;
  const double per_value = 1 / max(1.0, static_cast<double>(extents.pixels * extents.width));
  for (int64_t i = GridIndex() / kWarp; i < extents.images * extents.groups; i += GridStride() / kWarp) {
    const int64_t n = i / extents.groups, first = (i - n * extents.groups) * extents.width;
    const double* const totals = sums + 2 * n * extents.channels;
    double* const products = sums + (2 * n + 1) * extents.channels;
    const double inverse = inverse_deviation[i];
    double sum = 0, product = 0;
    for (int64_t c = first + lane; c < first + extents.width; c += kWarp) {
      const double factor = gamma[c];
      products[c] *= inverse;
      sum += factor * totals[c];
      product += factor * products[c];
    }
    sum = WarpSum(sum);
    product = WarpSum(product);
    if (lane == 0) {
      constant[i] = static_cast<Value>(inverse * sum * per_value);
      slope[i] = static_cast<Value>(inverse * inverse * product * per_value);
    }
  }
}

template <typename T, typename Value = ComputeType<T>>
Normalization<T> NormalizationOf(const GroupExtents& extents, const Array& gamma, const Array& beta, const Array& mean,
                                 const Array& inverse_deviation, bool relu) {
  return {mean.data<Value>(),
          inverse_deviation.data<Value>(),
          WideOrNarrow<T>(gamma),
          WideOrNarrow<T>(beta),
          extents.groups,
          extents.width,
          relu};
}

}  // namespace

void GroupNormForward(Stream& stream, const Array& x, const Array& gamma, const Array& beta, double epsilon, bool relu,
                      Array& y, Array& mean, Array& inverse_deviation) {
  const GroupExtents extents(x, mean);
  if (extents.images * extents.channels == 0) return;
  VisitFloating("GroupNorm", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
    const bool packed = channels % kSize == 0 && Aligned(x.raw(), y.raw());
    Array moments = Array::Empty({images, 2, channels}, kFloat64);
    const MomentTerms<T> terms{x.data<T>(), pixels, channels};
    ChannelSums<kSize>("GroupNorm", stream, images, pixels, channels, packed, terms,
                       StoreMoments<T>{terms, moments.data<double>()});
    Launch("GroupNorm", stream, Blocks(images * extents.groups * kWarp), kBlock, StatisticsKernel<Value>,
           moments.data<double>(), extents, epsilon, mean.data<Value>(), inverse_deviation.data<Value>());
    MapChannels<kSize>("GroupNorm", stream, images, pixels, channels, packed,
                       NormalizeMap<T>{NormalizationOf<T>(extents, gamma, beta, mean, inverse_deviation, relu),
                                       x.data<T>(), y.data<T>()});
  });
}

void GroupNormGradient(Stream& stream, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                       const Array& inverse_deviation, bool relu, const Array& dy, Array& dx, Array& dgamma,
                       Array& dbeta) {
  const GroupExtents extents(x, mean);
  if (extents.channels == 0) return;
  VisitFloating("GroupNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
    const bool packed = channels % kSize == 0 && Aligned(x.raw(), dy.raw(), dx.raw());
    const Normalization<T> norm = NormalizationOf<T>(extents, gamma, beta, mean, inverse_deviation, relu);
    Array sums = Array::Empty({images, 2, channels}, kFloat64),
          coefficients = Array::Empty({2, images, extents.groups}, DTypeOf<Value>::value);
    const KeptSums<2> kept{sums.data<double>(), channels};
    Value* const constant = coefficients.data<Value>();
    Value* const slope = constant + images * extents.groups;
    ChannelSums<kSize>("GroupNormGradient", stream, images, pixels, channels, packed,
                       GradientTerms<T>{norm, x.data<T>(), dy.data<T>()}, kept);
    if (images > 0) {
      Launch("GroupNormGradient", stream, Blocks(images * extents.groups * kWarp), kBlock,
             GradientCoefficientsKernel<T, Value>, WideOrNarrow<T>(gamma), inverse_deviation.data<Value>(), extents,
             kept.kept, constant, slope);
    }
    MapChannels<kSize>("GroupNormGradient", stream, images, pixels, channels, packed,
                       InputGradientMap<T>{norm, x.data<T>(), dy.data<T>(), constant, slope, dx.data<T>()});
    ChannelSums<1>("GroupNormGradient", stream, 1, images, channels, false, kept,
                   StoreParameterGradients<T>{WideOrNarrow<T>(dbeta), WideOrNarrow<T>(dgamma)});
  });
}

}  // namespace autograd::cuda
