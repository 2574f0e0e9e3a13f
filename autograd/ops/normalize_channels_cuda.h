#pragma once

// What batch and group normalisation share on CUDA. x is seen as [outer, rows, channels], and `width` neighbouring
// channels share their statistics [outer, channels / width]: batch normalisation has outer = width = 1.

#include "autograd/ops/channels_cuda.h"

namespace autograd::cuda {

template <typename T>
struct Normalization {
  using Value = ComputeType<T>;

  // For kWidth neighbours: n = (x − mean)·inverse deviation, z = (x − mean)·scale + shift.
  template <int kWidth>
  struct Column {
    __device__ Column(const Normalization& of, int64_t o, int64_t c) {
      for (int k = 0; k < kWidth; ++k) {
        const int64_t s = of.Statistic(o, c + k);
        mean[k] = of.mean[s];
        scale[k] = of.gamma[c + k] * of.inverse_deviation[s];
        shift[k] = of.beta[c + k];
      }
    }
    Value mean[kWidth], scale[kWidth], shift[kWidth];
  };
  __device__ int64_t Statistic(int64_t o, int64_t c) const {
    return o * statistics + (width == 1 ? c : static_cast<uint32_t>(c) / static_cast<uint32_t>(width));
  }

  const Value* mean;
  const Value* inverse_deviation;
  WideOrNarrow<T> gamma, beta;
  int64_t statistics, width;  // statistics of each `outer`, channels of each statistic
  bool relu;
};

// Σ (x − pivot) and Σ (x − pivot)², where the pivot is the channel's first value: a large mean does not drown the
// variance in the float32 part of the sum.
template <typename T>
struct MomentTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 2;

  template <int kWidth>
  struct Column {
    __device__ Column(const MomentTerms& terms, int64_t o, int64_t c) : x(terms.x) {
      for (int k = 0; k < kWidth; ++k) pivot[k] = terms.Pivot(o, c + k);
    }
    __device__ void Add(int64_t, int64_t offset, Value (&sums)[2][kWidth]) const {
      Value values[kWidth];
      LoadMany(x + offset, values);
      for (int k = 0; k < kWidth; ++k) {
        const Value centred = values[k] - pivot[k];
        sums[0][k] += centred;
        sums[1][k] += centred * centred;
      }
    }
    const T* x;
    Value pivot[kWidth];
  };
  __device__ Value Pivot(int64_t o, int64_t c) const { return rows > 0 ? Load(x + o * rows * channels + c) : Value(0); }

  const T* x;
  int64_t rows, channels;
};

// moments[o, 0, c] = Σ x and moments[o, 1, c] = Σ x².
template <typename T>
struct StoreMoments {
  __device__ void operator()(int64_t o, int64_t c, const double (&sums)[2]) const {
    const double pivot = terms.Pivot(o, c), total = static_cast<double>(terms.rows) * pivot;
    moments[2 * o * terms.channels + c] = sums[0] + total;
    moments[(2 * o + 1) * terms.channels + c] = sums[1] + pivot * (2 * sums[0] + total);
  }
  MomentTerms<T> terms;
  double* moments;
};

// y = z, or max(0, z).
template <typename T>
struct NormalizeMap {
  using Value = ComputeType<T>;

  template <int kWidth>
  struct Column {
    __device__ Column(const NormalizeMap& map, int64_t o, int64_t c) : of(map), norm(map.norm, o, c) {}
    __device__ void Apply(int64_t offset) const {
      Value values[kWidth];
      LoadMany(of.x + offset, values);
      for (int k = 0; k < kWidth; ++k) {
        const Value z = (values[k] - norm.mean[k]) * norm.scale[k] + norm.shift[k];
        values[k] = of.norm.relu && !(z > Value(0)) ? Value(0) : z;
      }
      StoreMany(of.y + offset, values);
    }
    const NormalizeMap& of;
    typename Normalization<T>::template Column<kWidth> norm;
  };

  Normalization<T> norm;
  const T* x;
  T* y;
};

// The upstream gradient behind the ReLU, if there is one, and x − mean.
template <int kWidth, typename T, typename Column, typename Value = ComputeType<T>>
__device__ inline void LoadGradient(const T* x, const T* dy, const Column& norm, bool relu, Value (&dz)[kWidth],
                                    Value (&centred)[kWidth]) {
  LoadMany(x, centred);
  LoadMany(dy, dz);
  for (int k = 0; k < kWidth; ++k) {
    centred[k] -= norm.mean[k];
    if (relu && !(centred[k] * norm.scale[k] + norm.shift[k] > Value(0))) dz[k] = 0;
  }
}

// Σ dz and Σ dz·(x − mean), the sums that every gradient of the normalisation needs.
template <typename T>
struct GradientTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 2;

  template <int kWidth>
  struct Column {
    __device__ Column(const GradientTerms& terms, int64_t o, int64_t c) : of(terms), norm(terms.norm, o, c) {}
    __device__ void Add(int64_t, int64_t offset, Value (&sums)[2][kWidth]) const {
      Value dz[kWidth], centred[kWidth];
      LoadGradient(of.x + offset, of.dy + offset, norm, of.norm.relu, dz, centred);
      for (int k = 0; k < kWidth; ++k) {
        sums[0][k] += dz[k];
        sums[1][k] += dz[k] * centred[k];
      }
    }
    const GradientTerms& of;
    typename Normalization<T>::template Column<kWidth> norm;
  };

  Normalization<T> norm;
  const T* x;
  const T* dy;
};

// dx = scale·dz − constant − slope·(x − mean); constant and slope are laid out like the statistics, or null where they
// are zero.
template <typename T>
struct InputGradientMap {
  using Value = ComputeType<T>;

  template <int kWidth>
  struct Column {
    __device__ Column(const InputGradientMap& map, int64_t o, int64_t c) : of(map), norm(map.norm, o, c) {
      for (int k = 0; k < kWidth; ++k) {
        const int64_t s = map.norm.Statistic(o, c + k);
        constant[k] = map.constant == nullptr ? Value(0) : map.constant[s];
        slope[k] = map.slope == nullptr ? Value(0) : map.slope[s];
      }
    }
    __device__ void Apply(int64_t offset) const {
      Value dz[kWidth], centred[kWidth];
      LoadGradient(of.x + offset, of.dy + offset, norm, of.norm.relu, dz, centred);
      for (int k = 0; k < kWidth; ++k) dz[k] = norm.scale[k] * dz[k] - constant[k] - slope[k] * centred[k];
      StoreMany(of.dx + offset, dz);
    }
    const InputGradientMap& of;
    typename Normalization<T>::template Column<kWidth> norm;
    Value constant[kWidth], slope[kWidth];
  };

  Normalization<T> norm;
  const T* x;
  const T* dy;
  const Value* constant;
  const Value* slope;
  T* dx;
};

}  // namespace autograd::cuda
