#include <algorithm>
#include <vector>

#include "autograd/ops/batch_norm_kernels.h"
#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/norm_statistics.h"

namespace autograd::cpu {
namespace {

// gamma·inverse_deviation
template <typename Value>
std::vector<Value> Scales(const Array& gamma, const Array& inverse_deviation) {
  std::vector<Value> scales = Widen<Value>(gamma);
  const Value* const inverse = inverse_deviation.data<Value>();
  for (size_t c = 0; c < scales.size(); ++c) scales[c] *= inverse[c];
  return scales;
}

}  // namespace

void BatchNormMoments(Stream&, const Array& x, Array& moments) {
  VisitFloating("BatchNorm", x.dtype(), [&]<typename T>(T) {
    const int64_t channels = x.shape()[-1], rows = x.shape().rows();
    ChannelMoments(1, rows, channels, x.data<T>(), moments.data<double>());
    moments.data<double>()[2 * channels] = static_cast<double>(rows);
  });
}

void BatchNormStatistics(Stream&, const Array& moments, double epsilon, double momentum, Array& running_mean,
                         Array& running_variance, Array& mean, Array& inverse_deviation) {
  VisitFloating("BatchNorm", mean.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t channels = mean.size();
    const double* const sums = moments.data<double>();
    const double* const squares = sums + channels;
    const double rows = std::max(1.0, sums[2 * channels]);
    Value* const running_means = running_mean.data<Value>();
    Value* const running_variances = running_variance.data<Value>();
    for (int64_t c = 0; c < channels; ++c) {
      const MeanAndVariance batch(sums[c], squares[c], rows);
      const double unbiased = batch.variance * rows / std::max(1.0, rows - 1);
      mean.data<Value>()[c] = static_cast<Value>(batch.mean);
      inverse_deviation.data<Value>()[c] = static_cast<Value>(InverseDeviation(batch.variance, epsilon));
      running_means[c] = static_cast<Value>((1 - momentum) * running_means[c] + momentum * batch.mean);
      running_variances[c] = static_cast<Value>((1 - momentum) * running_variances[c] + momentum * unbiased);
    }
  });
}

void BatchNormInverseDeviation(Stream&, const Array& variance, double epsilon, Array& inverse_deviation) {
  const std::vector<double> values = Widen<double>(variance);
  std::vector<double> inverse;
  for (double value : values) inverse.push_back(InverseDeviation(value, epsilon));
  StoreChannels(inverse, inverse_deviation);
}

void BatchNormNormalize(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                        const Array& inverse_deviation, bool relu, Array& y) {
  VisitFloating("BatchNorm", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const std::vector<Value> scale = Scales<Value>(gamma, inverse_deviation), shift = Widen<Value>(beta);
    NormalizeChannels<T>(1, x.shape().rows(), x.shape()[-1], x.data<T>(), mean.data<Value>(), scale.data(),
                         shift.data(), relu, y.data<T>());
  });
}

void BatchNormGradientSums(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                           const Array& inverse_deviation, bool relu, const Array& dy, Array& sums) {
  VisitFloating("BatchNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t channels = x.shape()[-1];
    const std::vector<Value> scale = Scales<Value>(gamma, inverse_deviation), shift = Widen<Value>(beta);
    double* const total = sums.data<double>();
    NormalizeChannelsSums<T>(1, x.shape().rows(), channels, x.data<T>(), dy.data<T>(), mean.data<Value>(), scale.data(),
                             shift.data(), relu, total);
    for (int64_t c = 0; c < channels; ++c) total[channels + c] *= inverse_deviation.data<Value>()[c];
  });
}

void BatchNormInputGradient(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                            const Array& inverse_deviation, bool relu, const Array& dy, const Array& sums,
                            const Array& moments, Array& dx) {
  VisitFloating("BatchNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t channels = x.shape()[-1];
    const std::vector<Value> scale = Scales<Value>(gamma, inverse_deviation), shift = Widen<Value>(beta);
    std::vector<Value> constant(channels), slope(channels);
    if (sums.defined()) {
      const double* const total = sums.data<double>();
      const double rows = std::max(1.0, moments.data<double>()[2 * channels]);
      for (int64_t c = 0; c < channels; ++c) {
        constant[c] = static_cast<Value>(scale[c] * total[c] / rows);
        slope[c] = static_cast<Value>(scale[c] * inverse_deviation.data<Value>()[c] * total[channels + c] / rows);
      }
    }
    NormalizeChannelsGradient<T>(1, x.shape().rows(), channels, x.data<T>(), dy.data<T>(), mean.data<Value>(),
                                 scale.data(), shift.data(), constant.data(), slope.data(), relu, dx.data<T>());
  });
}

}  // namespace autograd::cpu
