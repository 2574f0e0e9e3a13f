#include "autograd/core/launch_cuda.h"
#include "autograd/ops/channels_cuda.h"
#include "autograd/ops/layer_norm_kernels.h"
#include "autograd/ops/softmax_rows_cuda.h"

// Rows whose packs can be loaded lie in the registers of 4 to 32 lanes, if they have no more than 3 KB (half of that in
// the backward pass of bfloat16), and are read from memory once; the backward pass takes the partial sums of the
// parameters' gradients on the way. Other rows are read again for each sum, by one warp a row.

namespace autograd::cuda {
namespace {

// A lane's share of a row of packs: kPacks of them, kLanes apart, of which some lanes lack the last.
template <int kLanes, int kPacks, typename T>
class ShareOfRow {
 public:
  static constexpr int kSize = Pack<T>::kSize;
  __device__ explicit ShareOfRow(int64_t channels)
      : first_(threadIdx.x % kLanes * kSize), last_(first_ + (kPacks - 1) * kLanes * kSize < channels) {}

  // Calls body(number of the pack, its first channel).
  template <typename Body>
  __device__ void ForEach(const Body& body) const {
    for (int p = 0; p < kPacks; ++p) {
      if (p < kPacks - 1 || last_) body(p, first_ + p * kLanes * kSize);
    }
  }

 private:
  int first_;
  bool last_;
};

// Mean, then the variance of what is left without it, then the result.
template <int kLanes, int kPacks, typename T, typename P, typename Value>
__global__ void ShortForwardKernel(const T* x, const P* gamma, const P* beta, int64_t rows, int64_t channels,
                                   Value epsilon, T* y, Value* means, Value* inverse_deviations) {
  using Share = ShareOfRow<kLanes, kPacks, T>;
  constexpr int kSize = Share::kSize;
  const Share share(channels);
  const Value per_channel = Value(1) / static_cast<Value>(channels);
  ForEachRow<kLanes>(rows, [&](int64_t r, bool inside) {
    Value values[kPacks][kSize] = {}, sum = 0;
    share.ForEach([&](int p, int c) { LoadMany(x + r * channels + c, values[p]); });
    share.ForEach([&](int p, int) {
      for (int k = 0; k < kSize; ++k) sum += values[p][k];
    });
    const Value mean = LanesSum<kLanes>(sum) * per_channel;
    sum = 0;
    share.ForEach([&](int p, int) {
      for (int k = 0; k < kSize; ++k) {
        values[p][k] -= mean;
        sum += values[p][k] * values[p][k];
      }
    });
    const Value inverse = Value(1) / sqrt(LanesSum<kLanes>(sum) * per_channel + epsilon);
    if (!inside) return;
    share.ForEach([&](int p, int c) {
      Value scale[kSize], shift[kSize];
      LoadMany(gamma + c, scale);
      LoadMany(beta + c, shift);
      for (int k = 0; k < kSize; ++k) values[p][k] = values[p][k] * inverse * scale[k] + shift[k];
      StoreMany(y + r * channels + c, values[p]);
    });
    if (threadIdx.x % kLanes == 0) {
      means[r] = mean;
      inverse_deviations[r] = inverse;
    }
  });
}

// dx as InputGradientKernel below has it, and of the `chunk` rows of each block Σ dy·n and Σ dy for `kept`, unless that
// is null. Rows of threads are rows of x. A thread has at most kRunOfRows of them, so that it adds in Value; the packs
// stay as they were loaded, which takes half the registers of bfloat16's values and leaves room for two blocks.
template <int kLanes, int kPacks, typename T, typename P, typename Value>
__global__ void __launch_bounds__(kBlock, 2)
    ShortGradientKernel(const T* x, const P* gamma, const Value* means, const Value* inverse_deviations, const T* dy,
                        int64_t rows, int64_t channels, int64_t chunk, T* dx, KeptSums<2> kept) {
  using Share = ShareOfRow<kLanes, kPacks, T>;
  constexpr int kSize = Share::kSize;
  SHARED_MEMORY(shared, double[kSize][kBlock]);
  const Share share(channels);
  const Value per_channel = Value(1) / static_cast<Value>(channels);
  const int64_t end = min(rows, (blockIdx.x + 1) * chunk);
  Value sums[2][kPacks][kSize] = {};
  for (int64_t begin = blockIdx.x * chunk; begin < end; begin += blockDim.y) {
    // Past the end there is nothing to add, but the lanes of the warp wait for one another.
    const int64_t r = begin + threadIdx.y, first = r * channels;
    const bool inside = r < end;
    const Value mean = inside ? means[r] : Value(0), inverse = inside ? inverse_deviations[r] : Value(0);
    Pack<T> x_packs[kPacks] = {}, dy_packs[kPacks] = {};
    if (inside) {
      share.ForEach([&](int p, int c) {
        x_packs[p] = *reinterpret_cast<const Pack<T>*>(x + first + c);
        dy_packs[p] = *reinterpret_cast<const Pack<T>*>(dy + first + c);
      });
    }
    const auto normalised = [&](int p, int k) { return (static_cast<Value>(x_packs[p].values[k]) - mean) * inverse; };
    Value scale[kSize], sum = 0, product = 0;
    share.ForEach([&](int p, int c) {
      LoadMany(gamma + c, scale);
      for (int k = 0; k < kSize; ++k) {
        const Value d = static_cast<Value>(dy_packs[p].values[k]), n = normalised(p, k), g = d * scale[k];
        sum += g;
        product += g * n;
        sums[0][p][k] += d * n;
        sums[1][p][k] += d;
      }
    });
    const Value mean_g = LanesSum<kLanes>(sum) * per_channel, mean_gn = LanesSum<kLanes>(product) * per_channel;
    if (!inside) continue;
    share.ForEach([&](int p, int c) {
      Value values[kSize];
      LoadMany(gamma + c, scale);
      for (int k = 0; k < kSize; ++k) {
        const Value g = static_cast<Value>(dy_packs[p].values[k]) * scale[k];
        values[k] = inverse * (g - mean_g - normalised(p, k) * mean_gn);
      }
      StoreMany(dx + first + c, values);
    });
  }
  if (kept.kept == nullptr) return;
  double totals[2][kSize];
  for (int p = 0; p < kPacks; ++p) {
    for (int q = 0; q < 2; ++q) {
      for (int k = 0; k < kSize; ++k) totals[q][k] = static_cast<double>(sums[q][p][k]);
      SumOverRowsOfThreads(totals[q], shared);
    }
    const int64_t c = (threadIdx.x + p * kLanes) * kSize;
    if (threadIdx.y > 0 || c >= channels) continue;
    for (int k = 0; k < kSize; ++k) kept(blockIdx.x, c + k, {totals[0][k], totals[1][k]});
  }
}

// The longest row in registers, in packs of each of 32 lanes. The gradient of bfloat16 needs 27 registers for a pack.
constexpr int kMostPacksForward = 6;
template <typename T>
constexpr int kMostPacksBackward = sizeof(T) < 4 ? 3 : 6;

// How many lanes share a row of `packs` packs and how many of them each has: the fewest lanes for at most three, beyond
// which there are 32. Calls visitor with both as integral constants, or returns false: the row is too long.
template <int kMostPacks, typename Visitor>
bool VisitShares(int64_t packs, const Visitor& visitor) {
  const auto visit = [&]<int kLanes, int... kPacks>(std::integer_sequence<int, kLanes, kPacks...>) {
    return ((packs > (kPacks - 1) * kLanes && packs <= kPacks * kLanes &&
             (visitor(std::integral_constant<int, kLanes>(), std::integral_constant<int, kPacks>()), true)) ||
            ...);
  };
  if (visit(std::integer_sequence<int, 4, 1, 2, 3>()) || visit(std::integer_sequence<int, 8, 2, 3>()) ||
      visit(std::integer_sequence<int, 16, 2, 3>()) || visit(std::integer_sequence<int, 32, 2, 3>())) {
    return true;
  }
  if constexpr (kMostPacks == 6) return visit(std::integer_sequence<int, 32, 4, 5, 6>());
  return false;
}

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

// Of a block of ShortGradientKernel: about two blocks for each of an H100's 132 multiprocessors, which run at once, and
// at most kRunOfRows rows a thread.
template <int kLanes>
int64_t RowsOfBlock(int64_t rows) {
  constexpr int64_t kTogether = kBlock / kLanes, kEnoughBlocks = 264;
  const int64_t passes = (rows + kTogether * kEnoughBlocks - 1) / (kTogether * kEnoughBlocks);
  return std::min(passes, kRunOfRows) * kTogether;
}

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
    const auto launch = [&](unsigned blocks, auto* kernel) {
      Launch("LayerNormForward", stream, blocks, kBlock, kernel, x.data<T>(), gamma.data<P>(), beta.data<P>(), rows,
             channels, static_cast<Value>(epsilon), y.data<T>(), mean.data<Value>(), inverse_deviation.data<Value>());
    };
    const bool packed = channels % Pack<T>::kSize == 0 && Aligned(x.raw(), gamma.raw(), beta.raw(), y.raw());
    const bool is_short =
        packed && VisitShares<kMostPacksForward>(
                      channels / Pack<T>::kSize, [&]<int kLanes, int kPacks>(std::integral_constant<int, kLanes>,
                                                                             std::integral_constant<int, kPacks>) {
                        launch(BlocksForRows<kLanes>(rows), &ShortForwardKernel<kLanes, kPacks, T, P, Value>);
                      });
    if (is_short) return;
    launch(Blocks(rows * kWarp), packed ? &ForwardKernel<Pack<T>::kSize, T, P, Value> : &ForwardKernel<1, T, P, Value>);
  });
}

void LayerNormGradient(Stream& stream, const Array& x, const Array& gamma, const Array& mean,
                       const Array& inverse_deviation, const Array& dy, Array& dx, Array& dgamma, Array& dbeta) {
  if (gamma.size() == 0) return;
  VisitTypes(x, gamma, [&]<typename T, typename P>(T, P) {
    using Value = ComputeType<T>;
    constexpr int kSize = Pack<T>::kSize;
    const int64_t rows = x.shape().rows(), channels = x.shape()[-1];
    const StoreParameterGradients<P> store{WideOrNarrow<P>(dgamma), WideOrNarrow<P>(dbeta)};
    if (dx.defined() && rows > 0) {
      const bool packed = channels % kSize == 0 && Aligned(x.raw(), gamma.raw(), dy.raw(), dx.raw());
      const auto gradient_of_short_rows = [&]<int kLanes, int kPacks>(std::integral_constant<int, kLanes>,
                                                                      std::integral_constant<int, kPacks>) {
        const int64_t chunk = RowsOfBlock<kLanes>(rows), chunks = (rows + chunk - 1) / chunk;
        Array partial;
        if (dgamma.defined()) partial = Array::Empty({chunks, 2, channels}, kFloat64);
        const KeptSums<2> kept{partial.defined() ? partial.data<double>() : nullptr, channels};
        Launch("LayerNormGradient", stream, static_cast<unsigned>(chunks), dim3(kLanes, kBlock / kLanes),
               ShortGradientKernel<kLanes, kPacks, T, P, Value>, x.data<T>(), gamma.data<P>(), mean.data<Value>(),
               inverse_deviation.data<Value>(), dy.data<T>(), rows, channels, chunk, dx.data<T>(), kept);
        if (dgamma.defined()) AddKeptSums("LayerNormGradient", stream, 1, chunks, kept, store);
      };
      if (packed && VisitShares<kMostPacksBackward<T>>(channels / kSize, gradient_of_short_rows)) return;
      Launch("LayerNormGradient", stream, Blocks(rows * kWarp), kBlock,
             packed ? &InputGradientKernel<kSize, T, P, Value> : &InputGradientKernel<1, T, P, Value>, x.data<T>(),
             gamma.data<P>(), mean.data<Value>(), inverse_deviation.data<Value>(), dy.data<T>(), rows, channels,
             dx.data<T>());
    }
    if (!dgamma.defined()) return;
    ChannelSums<kSize>(
        "LayerNormGradient", stream, 1, rows, channels, channels % kSize == 0 && Aligned(x.raw(), dy.raw()),
        ParameterTerms<T>{x.data<T>(), mean.data<Value>(), inverse_deviation.data<Value>(), dy.data<T>()}, store);
  });
}

}  // namespace autograd::cuda
