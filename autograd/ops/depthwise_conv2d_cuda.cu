#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "autograd/core/launch_cuda.h"
#include "autograd/ops/block_sums_cuda.h"
#include "autograd/ops/depthwise_conv2d_kernels.h"
#include "autograd/runtime/ceil_divide.h"

// Square filters of 3, 5 and 7 without stride or dilation, in float32 and bfloat16, go down the image in tiles; the
// plain kernels serve the rest. With 49 multiplications a value the arithmetic is the bound as much as the memory, so a
// thread keeps the whole filter of its channel and everything that it sums in registers: 196 multiplications for ten
// loads from shared memory.

namespace autograd::cuda {
namespace {

constexpr int kColumns = 4;                        // outputs side by side of one thread
constexpr int kStageRows = 2;                      // rows of the input that come to shared memory together
constexpr int64_t kLeastRows = 8, kMostCuts = 16;  // of a tile, and of an image's rows
constexpr int kRowsOfThreads = kBlock / kWarp;

// Threads that run at once, by the launch bounds below, on each of an H100's 132 multiprocessors: elsewhere the cuts
// are as right and a little slower.
constexpr int kResidentThreads = 512;
constexpr int64_t kMultiprocessors = 132;

// How the images are cut: a tile is `rows` output rows of `strips`·kColumns output columns of one image; a block
// computes `channels` channels of it. All of this depends on the extents alone.
struct Tiling {
  int channel_blocks = 0, column_tiles = 0, row_tiles = 0, rows = 0, tiles = 0;
  int64_t parts = 0;  // that tiles are dealt to where a block sums over several: all blocks run at once

  Tiling(const DepthwiseGeometry& g, int channels, int strips) {
    const int64_t resident = kMultiprocessors * (kResidentThreads / (channels * strips));
    channel_blocks = static_cast<int>(CeilDivide(g.c, channels));
    column_tiles = static_cast<int>(CeilDivide(g.w, strips * kColumns));
    // Blocks run in waves of `resident`, and the last wave takes as long as the others. A cut reads kh − 1 rows again.
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int64_t cuts = 1; cuts <= std::clamp<int64_t>(g.h / kLeastRows, 1, kMostCuts); ++cuts) {
      const int64_t height = CeilDivide(g.h, cuts), count = CeilDivide(g.h, height);
      const int64_t waves = CeilDivide(g.n * channel_blocks * column_tiles * count, resident);
      if (waves * (height + g.kh - 1) >= least) continue;
      least = waves * (height + g.kh - 1);
      rows = static_cast<int>(height);
      row_tiles = static_cast<int>(count);
    }
    tiles = static_cast<int>(g.n * row_tiles * column_tiles);
    parts = std::clamp<int64_t>(resident / channel_blocks, 1, tiles);
  }
};

// Where tile number `tile` lies.
struct Tile {
  int64_t image;
  int column, first_row, end_row;
  __device__ Tile(const DepthwiseGeometry& g, const Tiling& tiling, int tile, int tile_columns) {
    column = tile % tiling.column_tiles * tile_columns;
    tile /= tiling.column_tiles;
    first_row = tile % tiling.row_tiles * tiling.rows;
    end_row = min(static_cast<int>(g.h), first_row + tiling.rows);
    image = tile / tiling.row_tiles;
  }
};

// Brings rows of the input with their halo to shared memory, as float32 and with zeros outside the image. The packs of
// a stage are on their way while the stage before is computed.
template <int kSize, int kChannels, int kStrips, typename T>
class Staging {
 public:
  static constexpr int kWide = kStrips * kColumns + kSize - 1;
  struct alignas(16) Buffer {
    float rows[kStageRows][kWide][kChannels];
  };

  __device__ Staging(const T* x, const DepthwiseGeometry& g, const Tile& tile, int channel, bool packed)
      : image_(x + tile.image * g.h * g.w * g.c + channel),
        row_stride_(static_cast<int>(g.w * g.c)),
        height_(static_cast<int>(g.h)),
        channels_(static_cast<int>(g.c) - channel),
        packed_(packed) {
    for (int k = 0; k < kShare; ++k) {
      const int item = Item(k), column = tile.column - kSize / 2 + item % kRowItems / kRowPacks;
      const int lane = item % kRowPacks * kPack;
      const bool inside = item < kItems && column >= 0 && column < g.w && lane < channels_;
      offsets_[k] = inside ? column * static_cast<int>(g.c) + lane : -1;
    }
  }

  // Starts to load rows [row, row + kStageRows).
  __device__ void Fetch(int row) {
    for (int k = 0; k < kShare; ++k) {
      packs_[k] = Pack<T>{};
      const int from = row + Item(k) / kRowItems;
      if (offsets_[k] < 0 || from < 0 || from >= height_) continue;
      const T* const source = image_ + static_cast<int64_t>(from) * row_stride_ + offsets_[k];
      if (packed_) {
        packs_[k] = *reinterpret_cast<const Pack<T>*>(source);
      } else {
        const int lane = Item(k) % kRowPacks * kPack;
        for (int i = 0; i < kPack; ++i) {
          if (lane + i < channels_) packs_[k].values[i] = source[i];
        }
      }
    }
  }

  __device__ void Store(Buffer& buffer) const {
    for (int k = 0; k < kShare; ++k) {
      if (Item(k) >= kItems) continue;
      auto* const to = reinterpret_cast<Pack<float>*>(&buffer.rows[0][0][0] + Item(k) * kPack);
      for (int p = 0; p < kPack / Pack<float>::kSize; ++p) {
        Pack<float> floats;
        for (int i = 0; i < Pack<float>::kSize; ++i)
          floats.values[i] = static_cast<float>(packs_[k].values[p * Pack<float>::kSize + i]);
        to[p] = floats;
      }
    }
  }

 private:
  static constexpr int kPack = Pack<T>::kSize, kRowPacks = kChannels / kPack, kRowItems = kWide * kRowPacks;
  static constexpr int kItems = kStageRows * kRowItems, kThreads = kChannels * kStrips;
  static constexpr int kShare = (kItems + kThreads - 1) / kThreads;

  __device__ static int Item(int k) { return static_cast<int>(threadIdx.y * kChannels + threadIdx.x) + k * kThreads; }

  const T* image_;
  int row_stride_, height_, channels_;
  bool packed_;
  int offsets_[kShare];
  Pack<T> packs_[kShare];
};

// The taps that carry input row `row` to the rows [begin, end) of a tile are [first, last]; none where the row lies
// outside the image.
struct TapRange {
  int first, last;
  __device__ TapRange(int row, int height, int begin, int end, int size) {
    const int reach = row + size / 2;
    const bool inside = row >= 0 && row < height;
    first = inside ? max(0, reach - end + 1) : size;
    last = min(size - 1, reach - begin);
  }
  __device__ bool all(int size) const { return first == 0 && last == size - 1; }
};

// Adds one input row to the kSize output rows that it reaches. pending[0] is the one that it completes; every sum moves
// up by one place.
template <bool kAll, int kSize>
__device__ __forceinline__ void AddRow(const float (&window)[kColumns + kSize - 1], const float (&taps)[kSize][kSize],
                                       const TapRange& range, float (&pending)[kSize][kColumns],
                                       float (&complete)[kColumns]) {
  for (int slot = 0; slot < kSize; ++slot) {
    const int u = kSize - 1 - slot;
    const bool reached = kAll || (u >= range.first && u <= range.last);
    for (int p = 0; p < kColumns; ++p) {
      float sum = pending[slot][p];
      if (reached) {
        for (int v = 0; v < kSize; ++v) sum += window[p + v] * taps[u][v];
      }
      (slot == 0 ? complete : pending[slot == 0 ? 0 : slot - 1])[p] = sum;
    }
  }
}

// y = x ∗ filter + bias, or with `flipped` taps the gradient of the input. threadIdx.x is a channel, threadIdx.y a
// strip of kColumns columns.
template <int kSize, int kChannels, int kStrips, typename T>
__global__ void __launch_bounds__(kChannels* kStrips, kResidentThreads / (kChannels * kStrips))
    CorrelateKernel(const T* x, const T* filter, const T* bias, DepthwiseGeometry g, Tiling tiling, bool flipped,
                    bool packed, T* y) {
  using Rows = Staging<kSize, kChannels, kStrips, T>;
  SHARED_MEMORY(stages, typename Rows::Buffer[2]);
  const int lane = threadIdx.x, strip = threadIdx.y, first_channel = blockIdx.x % tiling.channel_blocks * kChannels;
  const Tile tile(g, tiling, blockIdx.x / tiling.channel_blocks, kStrips * kColumns);
  const int c = first_channel + lane, channels = static_cast<int>(g.c), row_stride = static_cast<int>(g.w * g.c);
  const bool used = c < channels;

  float taps[kSize][kSize], pending[kSize][kColumns];
  for (int u = 0; u < kSize; ++u) {
    for (int v = 0; v < kSize; ++v) {
      const int tap = flipped ? kSize * kSize - 1 - u * kSize - v : u * kSize + v;
      taps[u][v] = used ? Load(filter + tap * g.c + c) : 0.0f;
    }
  }
  const float start = used && bias != nullptr ? Load(bias + c) : 0.0f;
  for (int u = 0; u < kSize; ++u) {
    for (int p = 0; p < kColumns; ++p) pending[u][p] = start;
  }

  const int column = tile.column + strip * kColumns, columns = used ? static_cast<int>(g.w) - column : 0;
  const int end = tile.end_row + kSize / 2;
  int row = tile.first_row - kSize / 2;
  T* out = y + ((tile.image * g.h + row - kSize / 2) * g.w + column) * g.c + c;

  Rows staging(x, g, tile, first_channel, packed);
  staging.Fetch(row);
  staging.Store(stages[0]);
  __syncthreads();
  for (int stage = 0; row < end; stage ^= 1) {
    const bool more = row + kStageRows < end;
    if (more) staging.Fetch(row + kStageRows);
    for (int k = 0; k < kStageRows; ++k, ++row, out += row_stride) {
      const TapRange range(row, static_cast<int>(g.h), tile.first_row, tile.end_row, kSize);
      float window[kColumns + kSize - 1], complete[kColumns] = {};
      for (int i = 0; i < kColumns + kSize - 1; ++i) window[i] = stages[stage].rows[k][strip * kColumns + i][lane];
      if (range.all(kSize)) {
        AddRow<true>(window, taps, range, pending, complete);
      } else {
        AddRow<false>(window, taps, range, pending, complete);
      }
      const int finished = row - kSize / 2;
      for (int p = 0; p < kColumns; ++p) {
        pending[kSize - 1][p] = start;
        if (finished >= tile.first_row && finished < tile.end_row && p < columns)
          out[p * channels] = static_cast<T>(complete[p]);
      }
    }
    if (more) staging.Store(stages[stage ^ 1]);
    __syncthreads();
  }
}

// sums[u][v] += Σ_p upstream[u][p]·window[p + v]
template <bool kAll, int kSize>
__device__ __forceinline__ void AddProducts(const float (&window)[kColumns + kSize - 1],
                                            const float (&upstream)[kSize][kColumns], const TapRange& range,
                                            float (&sums)[kSize][kSize]) {
  for (int u = 0; u < kSize; ++u) {
    if (!kAll && (u < range.first || u > range.last)) continue;
    for (int v = 0; v < kSize; ++v) {
      for (int p = 0; p < kColumns; ++p) sums[u][v] += upstream[u][p] * window[p + v];
    }
  }
}

// partial[part, tap, c] = Σ dy·x over every `parts`-th tile, and Σ dy in place of tap kSize². The gradient's rows stay
// in registers while the input's rows pass by.
template <int kSize, int kChannels, int kStrips, typename T>
__global__ void __launch_bounds__(kChannels* kStrips, kResidentThreads / (kChannels * kStrips))
    FilterPartsKernel(const T* x, const T* dy, DepthwiseGeometry g, Tiling tiling, int parts, bool packed,
                      float* partial) {
  using Rows = Staging<kSize, kChannels, kStrips, T>;
  SHARED_MEMORY(stages, typename Rows::Buffer[2]);
  SHARED_MEMORY(shared, float[kSize][kStrips][kChannels]);
  const int lane = threadIdx.x, strip = threadIdx.y, first_channel = blockIdx.x % tiling.channel_blocks * kChannels;
  const int part = blockIdx.x / tiling.channel_blocks;
  const int c = first_channel + lane, channels = static_cast<int>(g.c), row_stride = static_cast<int>(g.w * g.c);

  float sums[kSize][kSize] = {}, bias_sum = 0;
  for (int t = part; t < tiling.tiles; t += parts) {
    const Tile tile(g, tiling, t, kStrips * kColumns);
    const int column = tile.column + strip * kColumns, columns = c < channels ? static_cast<int>(g.w) - column : 0;
    const int end = tile.end_row + kSize / 2;
    int row = tile.first_row - kSize / 2;
    const T* in = dy + ((tile.image * g.h + tile.first_row) * g.w + column) * g.c + c;
    float upstream[kSize][kColumns] = {}, next[kColumns] = {};
    for (int p = 0; p < kColumns; ++p) {
      if (p < columns) next[p] = Load(in + p * channels);
    }
    Rows staging(x, g, tile, first_channel, packed);
    staging.Fetch(row);
    staging.Store(stages[0]);
    __syncthreads();
    for (int stage = 0; row < end; stage ^= 1) {
      const bool more = row + kStageRows < end;
      if (more) staging.Fetch(row + kStageRows);
      for (int k = 0; k < kStageRows; ++k, ++row) {
        for (int u = kSize - 1; u > 0; --u) {
          for (int p = 0; p < kColumns; ++p) upstream[u][p] = upstream[u - 1][p];
        }
        in += row_stride;
        const bool another = row + kSize / 2 + 1 < tile.end_row;
        for (int p = 0; p < kColumns; ++p) {
          upstream[0][p] = next[p];
          bias_sum += next[p];
          next[p] = another && p < columns ? Load(in + p * channels) : 0.0f;
        }
        const TapRange range(row, static_cast<int>(g.h), tile.first_row, tile.end_row, kSize);
        float window[kColumns + kSize - 1];
        for (int i = 0; i < kColumns + kSize - 1; ++i) window[i] = stages[stage].rows[k][strip * kColumns + i][lane];
        if (range.all(kSize)) {
          AddProducts<true>(window, upstream, range, sums);
        } else {
          AddProducts<false>(window, upstream, range, sums);
        }
      }
      if (more) staging.Store(stages[stage ^ 1]);
      __syncthreads();
    }
  }

  float* const to = partial + static_cast<int64_t>(part) * (kSize * kSize + 1) * g.c + c;
  const auto add_strips = [&](const float* values, int count, int first_tap) {
    for (int v = 0; v < count; ++v) shared[v][strip][lane] = values[v];
    __syncthreads();
    for (int v = strip; v < count; v += kStrips) {
      float sum = 0;
      for (int s = 0; s < kStrips; ++s) sum += shared[v][s][lane];
      if (c < g.c) to[(first_tap + v) * g.c] = sum;
    }
    __syncthreads();
  };
  // Not a loop: registers have no index at run time.
  [&]<int... kRow>(std::integer_sequence<int, kRow...>) { (add_strips(sums[kRow], kSize, kRow * kSize), ...); }
  (std::make_integer_sequence<int, kSize>());
  add_strips(&bias_sum, 1, kSize * kSize);
}

// The second stage: dfilter and dbias are the sums over the parts, each row of threads its share, in an order that
// never changes.
template <typename T, typename Value>
__global__ void SumPartsKernel(const Value* partial, int64_t parts, int64_t taps, int64_t channels, T* dfilter,
                               T* dbias) {
  SHARED_MEMORY(shared, Value[1][kBlock]);
  const int64_t size = (taps + 1) * channels, i = static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  Value sum[1] = {};
  if (i < size) {
    for (int64_t part = threadIdx.y; part < parts; part += kRowsOfThreads) sum[0] += partial[part * size + i];
  }
  SumOverRowsOfThreads(sum, shared);
  if (threadIdx.y > 0 || i >= size) return;
  if (i < taps * channels) {
    dfilter[i] = static_cast<T>(sum[0]);
  } else if (dbias != nullptr) {
    dbias[i - taps * channels] = static_cast<T>(sum[0]);
  }
}

// One thread a result, for any size, stride and dilation.
template <typename T>
__global__ void PlainForwardKernel(const T* x, const T* filter, const T* bias, DepthwiseGeometry g, T* y) {
  for (int64_t i = GridIndex(); i < g.n * g.oh * g.ow * g.c; i += GridStride()) {
    const int64_t c = i % g.c, pixel = i / g.c, j = pixel % g.ow, line = pixel / g.ow, image = line / g.oh;
    const int64_t top = line % g.oh * g.stride - g.padding_h(), left = j * g.stride - g.padding_w();
    ComputeType<T> sum = bias != nullptr ? Load(bias + c) : ComputeType<T>(0);
    for (int64_t u = 0; u < g.kh; ++u) {
      const int64_t row = top + u * g.dilation;
      if (row < 0 || row >= g.h) continue;
      for (int64_t v = 0; v < g.kw; ++v) {
        const int64_t column = left + v * g.dilation;
        if (column < 0 || column >= g.w) continue;
        sum += Load(x + ((image * g.h + row) * g.w + column) * g.c + c) * Load(filter + (u * g.kw + v) * g.c + c);
      }
    }
    y[i] = static_cast<T>(sum);
  }
}

template <typename T>
__global__ void PlainInputGradientKernel(const T* filter, const T* dy, DepthwiseGeometry g, T* dx) {
  for (int64_t i = GridIndex(); i < g.n * g.h * g.w * g.c; i += GridStride()) {
    const int64_t c = i % g.c, pixel = i / g.c, line = pixel / g.w, image = line / g.h;
    const int64_t bottom = line % g.h + g.padding_h(), right = pixel % g.w + g.padding_w();
    ComputeType<T> sum = 0;
    for (int64_t u = 0; u < g.kh; ++u) {
      const int64_t row = bottom - u * g.dilation;
      if (row < 0 || row % g.stride != 0 || row / g.stride >= g.oh) continue;
      for (int64_t v = 0; v < g.kw; ++v) {
        const int64_t column = right - v * g.dilation;
        if (column < 0 || column % g.stride != 0 || column / g.stride >= g.ow) continue;
        sum += Load(dy + ((image * g.oh + row / g.stride) * g.ow + column / g.stride) * g.c + c) *
               Load(filter + (u * g.kw + v) * g.c + c);
      }
    }
    dx[i] = static_cast<T>(sum);
  }
}

// partial[k, tap, c] over chunk k of the output pixels; block (k, j, tap) takes 32 neighbouring channels. Tap kh·kw is
// the bias.
template <typename T, typename Value>
__global__ void PlainFilterPartsKernel(const T* x, const T* dy, DepthwiseGeometry g, int64_t chunk, Value* partial) {
  SHARED_MEMORY(shared, Value[1][kBlock]);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x, tap = blockIdx.z, taps = g.kh * g.kw;
  const int64_t first = blockIdx.x * chunk, last = min(g.n * g.oh * g.ow, first + chunk);
  const int64_t down = tap / g.kw * g.dilation - g.padding_h(), right = tap % g.kw * g.dilation - g.padding_w();
  Value sum[1] = {};
  for (int64_t pixel = first + threadIdx.y; pixel < last && c < g.c; pixel += kRowsOfThreads) {
    const int64_t line = pixel / g.ow, image = line / g.oh;
    const int64_t row = line % g.oh * g.stride + down, column = pixel % g.ow * g.stride + right;
    if (tap == taps) {
      sum[0] += Load(dy + pixel * g.c + c);
    } else if (row >= 0 && row < g.h && column >= 0 && column < g.w) {
      sum[0] += Load(dy + pixel * g.c + c) * Load(x + ((image * g.h + row) * g.w + column) * g.c + c);
    }
  }
  SumOverRowsOfThreads(sum, shared);
  if (threadIdx.y == 0 && c < g.c) partial[(blockIdx.x * (taps + 1) + tap) * g.c + c] = sum[0];
}

template <int kValue>
using Constant = std::integral_constant<int, kValue>;

// Calls visitor(size of the filter, channels and strips of a block) and returns true where the tiles serve.
template <typename T, typename Visitor>
bool VisitTiles(const DepthwiseGeometry& g, const Visitor& visitor) {
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  if (std::is_same_v<T, double> || !g.dense() || g.kh != g.kw) return false;
  if (g.h > kMost / 2 || g.w * g.c > kMost || g.n * g.h * g.w * CeilDivide(g.c, 16) > kMost) return false;
  const auto visit = [&](auto size) {
    // What a block covers beyond the last channel and the right edge is lost. Narrow tiles read a larger share of halo,
    // about a tenth more.
    const auto cost = [&](int64_t channels, int64_t strips, int64_t tenths) {
      const int64_t columns = strips * kColumns;
      return CeilDivide(g.c, channels) * channels * CeilDivide(g.w, columns) * columns * tenths;
    };
    const int64_t wide = cost(32, 8, 10), narrow = cost(32, 4, 11), few_channels = cost(16, 16, 10);
    if (wide <= std::min(narrow, few_channels)) {
      visitor(size, Constant<32>(), Constant<8>());
    } else if (narrow <= few_channels) {
      visitor(size, Constant<32>(), Constant<4>());
    } else {
      visitor(size, Constant<16>(), Constant<16>());
    }
    return true;
  };
  switch (g.kh) {
    case 3:
      return visit(Constant<3>());
    case 5:
      return visit(Constant<5>());
    case 7:
      return visit(Constant<7>());
    default:
      return false;
  }
}

// False where only the plain kernels serve.
template <typename T>
bool Correlate(Stream& stream, const DepthwiseGeometry& g, const Array& x, const Array& filter, const Array& bias,
               bool flipped, Array& y) {
  return VisitTiles<T>(g, [&](auto size, auto channels, auto strips) {
    if constexpr (!std::is_same_v<T, double>) {
      const Tiling tiling(g, channels, strips);
      const bool packed = g.c % Pack<T>::kSize == 0 && Aligned(x.raw());
      Launch("DepthwiseConv2d", stream, static_cast<unsigned>(tiling.tiles * tiling.channel_blocks),
             dim3(channels, strips), CorrelateKernel<size(), channels(), strips(), T>, x.data<T>(), filter.data<T>(),
             bias.defined() ? bias.data<T>() : nullptr, g, tiling, flipped, packed, y.data<T>());
    }
  });
}

}  // namespace

void DepthwiseConv2dForward(Stream& stream, const DepthwiseGeometry& g, const Array& x, const Array& filter,
                            const Array& bias, Array& y) {
  if (y.size() == 0) return;
  VisitFloating("DepthwiseConv2d", y.dtype(), [&]<typename T>(T) {
    if (Correlate<T>(stream, g, x, filter, bias, false, y)) return;
    Launch("DepthwiseConv2d", stream, Blocks(y.size()), kBlock, PlainForwardKernel<T>, x.data<T>(), filter.data<T>(),
           bias.defined() ? bias.data<T>() : nullptr, g, y.data<T>());
  });
}

void DepthwiseConv2dInputGradient(Stream& stream, const DepthwiseGeometry& g, const Array& filter, const Array& dy,
                                  Array& dx) {
  if (dx.size() == 0) return;
  VisitFloating("DepthwiseConv2d", dx.dtype(), [&]<typename T>(T) {
    if (Correlate<T>(stream, g, dy, filter, Array(), true, dx)) return;
    Launch("DepthwiseConv2d", stream, Blocks(dx.size()), kBlock, PlainInputGradientKernel<T>, filter.data<T>(),
           dy.data<T>(), g, dx.data<T>());
  });
}

void DepthwiseConv2dFilterGradient(Stream& stream, const DepthwiseGeometry& g, const Array& x, const Array& dy,
                                   Array& dfilter, Array& dbias) {
  if (dy.size() == 0) {
    stream.FillZero(dfilter.raw(), dfilter.bytes());
    if (dbias.defined()) stream.FillZero(dbias.raw(), dbias.bytes());
    return;
  }
  VisitFloating("DepthwiseConv2d", dfilter.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const int64_t taps = g.kh * g.kw;
    int64_t parts = 0;
    Array partial;
    const bool tiled = VisitTiles<T>(g, [&](auto size, auto channels, auto strips) {
      if constexpr (!std::is_same_v<T, double>) {
        const Tiling tiling(g, channels, strips);
        parts = tiling.parts;
        partial = Array::Empty({parts, taps + 1, g.c}, kFloat32);
        const bool packed = g.c % Pack<T>::kSize == 0 && Aligned(x.raw());
        Launch("DepthwiseConv2dFilterGradient", stream, static_cast<unsigned>(parts * tiling.channel_blocks),
               dim3(channels, strips), FilterPartsKernel<size(), channels(), strips(), T>, x.data<T>(), dy.data<T>(), g,
               tiling, static_cast<int>(parts), packed, partial.data<float>());
      }
    });
    if (!tiled) {
      const int64_t pixels = g.n * g.oh * g.ow, chunk = std::max<int64_t>(256, CeilDivide(pixels, 128));
      parts = CeilDivide(pixels, chunk);
      partial = Array::Empty({parts, taps + 1, g.c}, DTypeOf<Value>::value);
      const dim3 grid(static_cast<unsigned>(parts), static_cast<unsigned>(CeilDivide(g.c, kWarp)),
                      static_cast<unsigned>(taps + 1));
      Launch("DepthwiseConv2dFilterGradient", stream, grid, dim3(kWarp, kRowsOfThreads),
             PlainFilterPartsKernel<T, Value>, x.data<T>(), dy.data<T>(), g, chunk, partial.data<Value>());
    }
    Launch("DepthwiseConv2dFilterGradient", stream, static_cast<unsigned>(CeilDivide((taps + 1) * g.c, kWarp)),
           dim3(kWarp, kRowsOfThreads), SumPartsKernel<T, Value>, partial.data<Value>(), parts, taps, g.c,
           dfilter.data<T>(), dbias.defined() ? dbias.data<T>() : nullptr);
  });
}

}  // namespace autograd::cuda
