#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/grn_activations.h"
#include "autograd/ops/grn_kernels.h"
#include "autograd/ops/norm_operands.h"

namespace autograd::cuda {
namespace {

template <typename T, typename Visitor>
void VisitActivation(bool gelu, const Visitor& visitor) {
  if (!gelu) return visitor(grn::Identity());
  visitor(std::conditional_t<std::is_same_v<T, BFloat16>, grn::ApproximateGelu, grn::Gelu>());
}

// Σ h²
template <typename T, typename Activation>
struct SquareTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 1;

  template <int kWidth>
  struct Column {
    __device__ Column(const SquareTerms& terms, int64_t, int64_t) : x(terms.x) {}
    __device__ void Add(int64_t, int64_t offset, Value (&sums)[1][kWidth]) const {
      Value values[kWidth];
      LoadMany(x + offset, values);
      for (int k = 0; k < kWidth; ++k) {
        const Value h = Activation::Value(values[k]);
        sums[0][k] += h * h;
      }
    }
    const T* x;
  };

  const T* x;
};

template <typename Value>
struct StoreNorms {
  __device__ void operator()(int64_t n, int64_t c, const double (&sums)[1]) const {
    norms[n * channels + c] = static_cast<Value>(sqrt(sums[0]));
  }
  Value* norms;
  int64_t channels;
};

// Σ dy and Σ dy·h
template <typename T, typename Activation>
struct GradientTerms {
  using Value = ComputeType<T>;
  static constexpr int kQuantities = 2;

  template <int kWidth>
  struct Column {
    __device__ Column(const GradientTerms& terms, int64_t, int64_t) : of(terms) {}
    __device__ void Add(int64_t, int64_t offset, Value (&sums)[2][kWidth]) const {
      Value x[kWidth], dy[kWidth];
      LoadMany(of.x + offset, x);
      LoadMany(of.dy + offset, dy);
      for (int k = 0; k < kWidth; ++k) {
        sums[0][k] += dy[k];
        sums[1][k] += dy[k] * Activation::Value(x[k]);
      }
    }
    const GradientTerms& of;
  };

  const T* x;
  const T* dy;
};

// With g the norms of image n, S = Σ dy·h and m = 1 / (mean g + epsilon), so that r = g·m:
//   scale = 1 + weight·r,  slope = (∂L/∂g) / g with ∂L/∂g = weight·S·m − (m²/C)·Σ_k weight[k]·S[k]·g[k].
// One block an image. sums [n, 2, c] holds S in its second half and gets dy's part of dweight, S·r, in its place;
// forward it is null, like `slope`.
template <typename T, typename Value = ComputeType<T>>
__global__ void CoefficientsKernel(const Value* norms, WideOrNarrow<T> weight, int64_t images, int64_t channels,
                                   double epsilon, double* sums, Value* scale, Value* slope) {
  SHARED_MEMORY(shared, double[kWarp]);
  const double per_channel = 1 / static_cast<double>(channels);
  for (int64_t n = blockIdx.x; n < images; n += gridDim.x) {
    const Value* const g = norms + n * channels;
    double* const products = sums == nullptr ? nullptr : sums + (2 * n + 1) * channels;
    double norm = 0, share = 0;
    for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
      norm += g[c];
      if (sums != nullptr) share += weight[c] * products[c] * g[c];
    }
    const double inverse = 1 / (BlockSum(norm, shared) * per_channel + epsilon);
    if (sums != nullptr) share = BlockSum(share, shared) * inverse * inverse * per_channel;
    for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
      const double w = weight[c];
      scale[n * channels + c] = static_cast<Value>(1 + w * g[c] * inverse);
      if (sums == nullptr) continue;
      // A channel that is zero in the whole image has no direction: its norm passes nothing back.
      slope[n * channels + c] = g[c] > 0 ? static_cast<Value>((w * products[c] * inverse - share) / g[c]) : Value(0);
      products[c] *= g[c] * inverse;
    }
  }
}

// y = h·scale + bias
template <typename T, typename Activation>
struct ForwardMap {
  using Value = ComputeType<T>;

  template <int kWidth>
  struct Column {
    __device__ Column(const ForwardMap& map, int64_t n, int64_t c) : of(map) {
      for (int k = 0; k < kWidth; ++k) {
        scale[k] = map.scale[n * map.channels + c + k];
        shift[k] = map.bias[c + k];
      }
    }
    __device__ void Apply(int64_t offset) const {
      Value values[kWidth];
      LoadMany(of.x + offset, values);
      for (int k = 0; k < kWidth; ++k) values[k] = Activation::Value(values[k]) * scale[k] + shift[k];
      StoreMany(of.y + offset, values);
    }
    const ForwardMap& of;
    Value scale[kWidth], shift[kWidth];
  };

  const T* x;
  const Value* scale;
  WideOrNarrow<T> bias;
  int64_t channels;
  T* y;
};

// dx = (scale·dy + slope·h)·dh/dx
template <typename T, typename Activation>
struct GradientMap {
  using Value = ComputeType<T>;

  template <int kWidth>
  struct Column {
    __device__ Column(const GradientMap& map, int64_t n, int64_t c) : of(map) {
      for (int k = 0; k < kWidth; ++k) {
        scale[k] = map.scale[n * map.channels + c + k];
        slope[k] = map.slope[n * map.channels + c + k];
      }
    }
    __device__ void Apply(int64_t offset) const {
      Value x[kWidth], dy[kWidth];
      LoadMany(of.x + offset, x);
      LoadMany(of.dy + offset, dy);
      for (int k = 0; k < kWidth; ++k) dy[k] = Activation::Gradient(x[k], scale[k], slope[k], dy[k]);
      StoreMany(of.dx + offset, dy);
    }
    const GradientMap& of;
    Value scale[kWidth], slope[kWidth];
  };

  const T* x;
  const T* dy;
  const Value* scale;
  const Value* slope;
  int64_t channels;
  T* dx;
};

}  // namespace

void GrnForward(Stream& stream, const Array& x, const Array& weight, const Array& bias, double epsilon, bool gelu,
                Array& y, Array& norms) {
  const ImageExtents extents(x);
  const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
  if (images * channels == 0) return;
  VisitFloating("Grn", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const bool packed = channels % kSize == 0 && Aligned(x.raw(), y.raw());
    Array scale = Array::Empty({images, channels}, DTypeOf<Value>::value);
    VisitActivation<T>(gelu, [&]<typename Activation>(Activation) {
      ChannelSums<kSize>("Grn", stream, images, pixels, channels, packed, SquareTerms<T, Activation>{x.data<T>()},
                         StoreNorms<Value>{norms.data<Value>(), channels});
      Launch("Grn", stream, Blocks(images, 1), kBlock, CoefficientsKernel<T, Value>, norms.data<Value>(),
             WideOrNarrow<T>(weight), images, channels, epsilon, nullptr, scale.data<Value>(), nullptr);
      MapChannels<kSize>(
          "Grn", stream, images, pixels, channels, packed,
          ForwardMap<T, Activation>{x.data<T>(), scale.data<Value>(), WideOrNarrow<T>(bias), channels, y.data<T>()});
    });
  });
}

void GrnGradient(Stream& stream, const Array& x, const Array& weight, const Array& norms, double epsilon, bool gelu,
                 const Array& dy, Array& dx, Array& dweight, Array& dbias) {
  const ImageExtents extents(x);
  const int64_t images = extents.images, pixels = extents.pixels, channels = extents.channels;
  if (channels == 0) return;
  VisitFloating("GrnGradient", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const bool packed = channels % kSize == 0 && Aligned(x.raw(), dy.raw(), dx.raw());
    Array sums = Array::Empty({images, 2, channels}, kFloat64),
          coefficients = Array::Empty({2, images, channels}, DTypeOf<Value>::value);
    const KeptSums<2> kept{sums.data<double>(), channels};
    Value* const scale = coefficients.data<Value>();
    Value* const slope = scale + images * channels;
    VisitActivation<T>(gelu, [&]<typename Activation>(Activation) {
      ChannelSums<kSize>("GrnGradient", stream, images, pixels, channels, packed,
                         GradientTerms<T, Activation>{x.data<T>(), dy.data<T>()}, kept);
      if (images > 0) {
        Launch("GrnGradient", stream, Blocks(images, 1), kBlock, CoefficientsKernel<T, Value>, norms.data<Value>(),
               WideOrNarrow<T>(weight), images, channels, epsilon, kept.kept, scale, slope);
      }
      MapChannels<kSize>("GrnGradient", stream, images, pixels, channels, packed,
                         GradientMap<T, Activation>{x.data<T>(), dy.data<T>(), scale, slope, channels, dx.data<T>()});
    });
    ChannelSums<1>("GrnGradient", stream, 1, images, channels, false, kept,
                   StoreParameterGradients<T>{WideOrNarrow<T>(dbias), WideOrNarrow<T>(dweight)});
  });
}

}  // namespace autograd::cuda
