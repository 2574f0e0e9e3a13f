#include <algorithm>

#include "autograd/runtime/parallel.h"
#include "rl/estimators/moments_kernels.h"
#include "rl/estimators/standardization.h"

namespace rl::cpu {

using autograd::Array;
using autograd::ParallelFor;
using autograd::Stream;

namespace {

constexpr int kLanes = 8;

double Fold(const double* lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

// Adds (count, Σx, Σx²) of one map. Eight lanes in float64: entry i always falls into lane i mod 8.
template <bool kMasked, bool kNonZero>
void AddMap(const float* x, const uint8_t* valid, int64_t size, double* sums) {
  double count[kLanes] = {}, sum[kLanes] = {}, squares[kLanes] = {};
  auto add = [&](int lane, int64_t i) {
    bool counts = true;
    if constexpr (kMasked) counts = valid[i] != 0;
    if constexpr (kNonZero) counts = counts && x[i] != 0.0f;
    const double value = counts ? static_cast<double>(x[i]) : 0.0;
    count[lane] += counts ? 1.0 : 0.0;
    sum[lane] += value;
    squares[lane] += value * value;
  };
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) add(lane, i + lane);
  }
  for (; i < size; ++i) add(static_cast<int>(i % kLanes), i);
  sums[0] += Fold(count);
  sums[1] += Fold(sum);
  sums[2] += Fold(squares);
}

}  // namespace

void ImageMoments(Stream&, const Array& values, const Array& valid, bool non_zero, Array& sums) {
  const int64_t maps = values.shape()[0], images = values.shape()[1];
  const int64_t size = maps * images == 0 ? 0 : values.size() / (maps * images);
  const float* x = values.data<float>();
  const uint8_t* mask = valid.defined() ? valid.data<uint8_t>() : nullptr;
  double* out = sums.data<double>();
  const int64_t grain = std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, maps * size));
  ParallelFor(images, grain, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      double* own = out + image * 3;
      std::fill(own, own + 3, 0.0);
      const uint8_t* own_mask = mask == nullptr ? nullptr : mask + image * size;
      for (int64_t n = 0; n < maps; ++n) {
        const float* map = x + (n * images + image) * size;
        if (mask != nullptr) {
          non_zero ? AddMap<true, true>(map, own_mask, size, own) : AddMap<true, false>(map, own_mask, size, own);
        } else {
          non_zero ? AddMap<false, true>(map, own_mask, size, own) : AddMap<false, false>(map, own_mask, size, own);
        }
      }
    }
  });
}

void AddImageMoments(Stream&, const Array& sums, Array& moments) {
  const double* image = sums.data<double>();
  double total[3] = {};
  for (int64_t i = 0; i < sums.size(); ++i) total[i % 3] += image[i];
  std::copy(total, total + 3, moments.data<double>());
}

void Standardize(Stream&, const Array& x, const Array& valid, const Array& moments, bool centre, Array& y) {
  const double* const numbers = moments.data<double>();
  const Moments over{numbers[0], numbers[1], numbers[2]};
  const double mean = centre ? over.mean() : 0.0, scale = 1.0 / (over.standard_deviation() + kDeviationFloor);
  const int64_t maps = x.shape()[0], size = maps == 0 ? 0 : x.size() / maps;
  const float* in = x.data<float>();
  const uint8_t* mask = valid.defined() ? valid.data<uint8_t>() : nullptr;
  float* out = y.data<float>();
  ParallelFor(size, 1 << 12, [&](int64_t begin, int64_t end) {
    for (int64_t n = 0; n < maps; ++n) {
      const float* from = in + n * size;
      float* to = out + n * size;
      for (int64_t i = begin; i < end; ++i) {
        const float value = static_cast<float>((static_cast<double>(from[i]) - mean) * scale);
        to[i] = mask == nullptr || mask[i] != 0 ? value : 0.0f;
      }
    }
  });
}

}  // namespace rl::cpu
