#include <algorithm>
#include <vector>

#include "autograd/ops/channels_cpu.h"
#include "autograd/ops/group_norm_kernels.h"
#include "autograd/ops/norm_statistics.h"

namespace autograd::cpu {
namespace {

// The statistics of each group, repeated for its channels, and gamma times the inverse deviation: [images, channels].
template <typename Value>
struct Coefficients {
  Coefficients(const GroupExtents& extents, const Array& gamma, const Array& beta, const Value* group_mean,
               const Value* group_inverse)
      : mean(extents.images * extents.channels), scale(mean.size()), shift(Widen<Value>(beta)) {
    const std::vector<Value> factors = Widen<Value>(gamma);
    for (size_t i = 0; i < mean.size(); ++i) {
      const size_t group = i / extents.width;  // channels are a multiple of the width, so images need no care
      mean[i] = group_mean[group];
      scale[i] = factors[i % extents.channels] * group_inverse[group];
    }
  }
  std::vector<Value> mean, scale, shift;
};

}  // namespace

void GroupNormForward(Stream&, const Array& x, const Array& gamma, const Array& beta, double epsilon, bool relu,
                      Array& y, Array& mean, Array& inverse_deviation) {
  VisitFloating("GroupNorm", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const GroupExtents extents(x, mean);
    const int64_t channels = extents.channels;
    std::vector<double> moments(extents.images * 2 * channels);
    ChannelMoments(extents.images, extents.pixels, channels, x.data<T>(), moments.data());
    const double count = static_cast<double>(extents.pixels * extents.width);
    for (int64_t i = 0; i < extents.images * extents.groups; ++i) {
      const double* const sums =
          moments.data() + i / extents.groups * 2 * channels + i % extents.groups * extents.width;
      double sum = 0, squares = 0;
      for (int64_t c = 0; c < extents.width; ++c) {
        sum += sums[c];
        squares += sums[channels + c];
      }
      const MeanAndVariance group(sum, squares, count);
      mean.data<Value>()[i] = static_cast<Value>(group.mean);
      inverse_deviation.data<Value>()[i] = static_cast<Value>(InverseDeviation(group.variance, epsilon));
    }
    const Coefficients<Value> on(extents, gamma, beta, mean.data<Value>(), inverse_deviation.data<Value>());
    NormalizeChannels<T>(extents.images, extents.pixels, channels, x.data<T>(), on.mean.data(), on.scale.data(),
                         on.shift.data(), relu, y.data<T>());
  });
}

// With n the normalised x and dz = dy behind the ReLU, per group:  dx = inverse·(gamma·dz − mean(gamma·dz) −
// n·mean(gamma·dz·n)).
void GroupNormGradient(Stream&, const Array& x, const Array& gamma, const Array& beta, const Array& mean,
                       const Array& inverse_deviation, bool relu, const Array& dy, Array& dx, Array& dgamma,
                       Array& dbeta) {
  VisitFloating("GroupNormGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const GroupExtents extents(x, mean);
    const int64_t channels = extents.channels, width = extents.width;
    const Value* const inverse = inverse_deviation.data<Value>();
    const std::vector<double> factors = Widen<double>(gamma);
    const Coefficients<Value> on(extents, gamma, beta, mean.data<Value>(), inverse);
    std::vector<double> sums(extents.images * 2 * channels);
    NormalizeChannelsSums<T>(extents.images, extents.pixels, channels, x.data<T>(), dy.data<T>(), on.mean.data(),
                             on.scale.data(), on.shift.data(), relu, sums.data());

    std::vector<Value> constant(extents.images * channels), slope(extents.images * channels);
    std::vector<double> gamma_sums(channels), beta_sums(channels);
    const double count = static_cast<double>(std::max<int64_t>(1, extents.pixels * width));
    for (int64_t i = 0; i < extents.images * extents.groups; ++i) {
      const int64_t image = i / extents.groups, first = i % extents.groups * width;
      const double* const total = sums.data() + image * 2 * channels;
      const double* const products = total + channels;
      const double factor = inverse[i];
      double sum = 0, product = 0;
      for (int64_t c = first; c < first + width; ++c) {
        sum += factors[c] * total[c];
        product += factors[c] * products[c];
        gamma_sums[c] += products[c] * factor;
        beta_sums[c] += total[c];
      }
      const Value group_constant = static_cast<Value>(factor * sum / count);
      const Value group_slope = static_cast<Value>(factor * factor * factor * product / count);
      std::fill_n(constant.begin() + image * channels + first, width, group_constant);
      std::fill_n(slope.begin() + image * channels + first, width, group_slope);
    }
    StoreChannels(gamma_sums, dgamma);
    StoreChannels(beta_sums, dbeta);
    NormalizeChannelsGradient<T>(extents.images, extents.pixels, channels, x.data<T>(), dy.data<T>(), on.mean.data(),
                                 on.scale.data(), on.shift.data(), constant.data(), slope.data(), relu, dx.data<T>());
  });
}

}  // namespace autograd::cpu
