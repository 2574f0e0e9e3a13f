#include "autograd/ops/depthwise_tiles_cpu.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "autograd/cpu/scratch.h"
#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/dtype.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

typedef float Float8 __attribute__((vector_size(32)));
typedef uint32_t Word8 __attribute__((vector_size(32)));
typedef uint16_t Half8 __attribute__((vector_size(16)));

constexpr int64_t kLanes = 8;
constexpr int64_t kPlanes = 4;  // of one tile: 32 channels, two cache lines of each pixel
constexpr int64_t kEnoughTiles =
    32;  // for many threads: rows are cut only as far as this needs, as each cut reads a halo again
constexpr int64_t kLeastTileRows = 16;
constexpr int64_t kTileColumns =
    64;  // the rows of a window stay in the first-level cache, one plane of a packed tile in the second
constexpr int kBlock = 8;  // outputs in registers; with seven taps and a pixel they fill the sixteen of AVX2
constexpr int64_t kFilterPieces = 64;

inline Float8 Load(const float* from) {
  Float8 value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
inline void Store(float* to, Float8 value) { std::memcpy(to, &value, sizeof(value)); }
// The conversions of BFloat16 (runtime/dtype.h), eight at a time.
inline Float8 Load(const BFloat16* from) {
  Half8 halves;
  std::memcpy(&halves, from, sizeof(halves));
  const Word8 words = __builtin_convertvector(halves, Word8) << 16;
  Float8 value;
  std::memcpy(&value, &words, sizeof(value));
  return value;
}
inline void Store(BFloat16* to, Float8 value) {
  Word8 words;
  std::memcpy(&words, &value, sizeof(words));
  const Word8 rounded = (words + 0x7FFFu + (words >> 16 & 1u)) >> 16, quiet_nan = words >> 16 | 0x40u;
  const Half8 halves = __builtin_convertvector((words & 0x7FFFFFFFu) > 0x7F800000u ? quiet_nan : rounded, Half8);
  std::memcpy(static_cast<void*>(to), &halves, sizeof(halves));
}

template <typename T>
Float8 LoadLanes(const T* from, int64_t lanes) {
  if (lanes == kLanes) return Load(from);
  Float8 value = {};
  for (int64_t lane = 0; lane < lanes; ++lane) value[lane] = static_cast<float>(from[lane]);
  return value;
}
template <typename T>
void StoreLanes(T* to, Float8 value, int64_t lanes) {
  if (lanes == kLanes) return Store(to, value);
  for (int64_t lane = 0; lane < lanes; ++lane) to[lane] = static_cast<T>(value[lane]);
}

// [0, extent) in `count` nearly equal ranges.
struct Ranges {
  int64_t extent, count;
  Ranges(int64_t extent_value, int64_t longest) : extent(extent_value), count(CeilDivide(extent_value, longest)) {}
  int64_t begin(int64_t i) const { return extent * i / count; }
  int64_t longest() const { return CeilDivide(extent, count); }
};

// One tile: output rows and columns of one image, and planes of channels.
struct Tile {
  int64_t image, row, rows, column, columns, plane, planes;
};

struct Tiling {
  Ranges columns, chunks, rows;
  const DepthwiseGeometry& g;
  explicit Tiling(const DepthwiseGeometry& geometry)
      : columns(geometry.w, kTileColumns),
        chunks(CeilDivide(geometry.c, kLanes), kPlanes),
        rows(geometry.h,
             std::max(kLeastTileRows,
                      CeilDivide(geometry.h, CeilDivide(kEnoughTiles, geometry.n * columns.count * chunks.count)))),
        g(geometry) {}

  int64_t spatial() const { return g.n * rows.count * columns.count; }
  int64_t chunk_count() const { return chunks.count; }
  Tile At(int64_t place, int64_t chunk) const {
    const int64_t column = place % columns.count, row = place / columns.count % rows.count;
    Tile tile;
    tile.image = place / columns.count / rows.count;
    tile.row = rows.begin(row), tile.rows = rows.begin(row + 1) - tile.row;
    tile.column = columns.begin(column), tile.columns = columns.begin(column + 1) - tile.column;
    tile.plane = chunks.begin(chunk), tile.planes = chunks.begin(chunk + 1) - tile.plane;
    return tile;
  }
};

// A packed window on an image: planes of [rows][columns][8].
struct Packed {
  float* data;
  int64_t first_row, rows, columns;  // row 0 is row `first_row` of the image

  int64_t row_elements() const { return columns * kLanes; }
  float* Row(int64_t plane, int64_t image_row) const {
    return data + (plane * rows + image_row - first_row) * row_elements();
  }
};

// Packs one row of the image for a tile, columns from tile.column − halo on; those outside the image become zeros.
template <typename T>
void PackRow(const DepthwiseGeometry& g, const Tile& tile, int64_t halo, const T* x, int64_t row, const Packed& to) {
  const int64_t left = tile.column - halo;
  const int64_t inside = std::clamp<int64_t>(-left, 0, to.columns),
                inside_end = std::clamp<int64_t>(g.w - left, inside, to.columns);
  const T* from = x + ((tile.image * g.h + row) * g.w + left) * g.c + tile.plane * kLanes;
  for (int64_t plane = 0; plane < tile.planes; ++plane, from += kLanes) {
    const int64_t lanes = std::min(kLanes, g.c - (tile.plane + plane) * kLanes);
    float* out = to.Row(plane, row);
    for (int64_t column = 0; column < inside; ++column) Store(out + column * kLanes, Float8{});
    if (lanes == kLanes) {
      for (int64_t column = inside; column < inside_end; ++column)
        Store(out + column * kLanes, LoadLanes(from + column * g.c, kLanes));
    } else {
      for (int64_t column = inside; column < inside_end; ++column)
        Store(out + column * kLanes, LoadLanes(from + column * g.c, lanes));
    }
    for (int64_t column = inside_end; column < to.columns; ++column) Store(out + column * kLanes, Float8{});
  }
}

// The rows of a tile's input, packed when they are first needed.
template <typename T>
class RowReader {
 public:
  RowReader(const DepthwiseGeometry& geometry, const Tile& tile, int64_t halo_h, int64_t halo_w, const T* x,
            const Packed& to)
      : g_(geometry), tile_(tile), halo_w_(halo_w), x_(x), to_(to), next_(std::max<int64_t>(0, tile.row - halo_h)) {}

  void ReadUpTo(int64_t row) {
    const int64_t last = std::min(row, g_.h - 1);
    for (; next_ <= last; ++next_) PackRow(g_, tile_, halo_w_, x_, next_, to_);
  }

 private:
  const DepthwiseGeometry& g_;
  const Tile& tile_;
  int64_t halo_w_;
  const T* x_;
  const Packed& to_;
  int64_t next_;
};

// The taps of a tile's channels, planes of [kh][kw][8]; reversed in both directions for the input gradient.
template <typename T>
void PackFilter(const DepthwiseGeometry& g, const Tile& tile, const T* filter, bool reversed, float* to) {
  const int64_t taps = g.kh * g.kw;
  for (int64_t plane = 0; plane < tile.planes; ++plane) {
    const int64_t channel = (tile.plane + plane) * kLanes, lanes = std::min(kLanes, g.c - channel);
    for (int64_t tap = 0; tap < taps; ++tap) {
      Store(to + (plane * taps + tap) * kLanes,
            LoadLanes(filter + (reversed ? taps - 1 - tap : tap) * g.c + channel, lanes));
    }
  }
}

// sums[0 … kOutputs) += rows of taps · rows of pixels, for filters of width kTaps (0: of any width, `taps`).
template <int kTaps, int kOutputs>
inline void Accumulate(const float* x, int64_t x_row, const float* filter, int64_t window_rows, int64_t taps,
                       Float8 (&sums)[kBlock]) {
  for (int64_t u = 0; u < window_rows; ++u) {
    if constexpr (kTaps > 0) {
      Float8 tap[kTaps];
#pragma GCC unroll 16
      for (int v = 0; v < kTaps; ++v) tap[v] = Load(filter + (u * kTaps + v) * kLanes);
#pragma GCC unroll 16
      for (int k = 0; k < kOutputs + kTaps - 1; ++k) {
        const Float8 pixel = Load(x + u * x_row + k * kLanes);
#pragma GCC unroll 16
        for (int v = 0; v < kTaps; ++v) {
          if (k - v >= 0 && k - v < kOutputs) sums[k - v] += tap[v] * pixel;
        }
      }
    } else {
      const float* pixels = x + u * x_row;
      for (int64_t v = 0; v < taps; ++v, pixels += kLanes) {
        asm("" : "+r"(pixels));  // as in CorrelateRows
        const Float8 tap = Load(filter + (u * taps + v) * kLanes);
#pragma GCC unroll 16
        for (int j = 0; j < kOutputs; ++j) sums[j] += tap * Load(pixels + j * kLanes);
      }
    }
  }
}

template <int kTaps, int kOutputs, typename T>
void OutputBlock(const float* x, int64_t x_row, const float* filter, int64_t window_rows, int64_t taps, Float8 bias,
                 int64_t lanes, int64_t c, T* y) {
  Float8 sums[kBlock];
#pragma GCC unroll 16
  for (int j = 0; j < kOutputs; ++j) sums[j] = bias;
  Accumulate<kTaps, kOutputs>(x, x_row, filter, window_rows, taps, sums);
#pragma GCC unroll 16
  for (int j = 0; j < kOutputs; ++j) StoreLanes(y + j * c, sums[j], lanes);
}

template <int kTaps, typename T>
void OutputBlockOf(int64_t outputs, const float* x, int64_t x_row, const float* filter, int64_t window_rows,
                   int64_t taps, Float8 bias, int64_t lanes, int64_t c, T* y) {
  switch (outputs) {
#define AUTOGRAD_CASE(count) \
  case count:                \
    return OutputBlock<kTaps, count>(x, x_row, filter, window_rows, taps, bias, lanes, c, y);
    AUTOGRAD_CASE(1)
    AUTOGRAD_CASE(2)
    AUTOGRAD_CASE(3)
    AUTOGRAD_CASE(4)
    AUTOGRAD_CASE(5)
    AUTOGRAD_CASE(6)
    AUTOGRAD_CASE(7)
    AUTOGRAD_CASE(8)
#undef AUTOGRAD_CASE
  }
}

template <int kTaps, typename T>
void ForwardTile(const DepthwiseGeometry& g, const Tile& tile, const T* pixels, const Packed& x, const float* filter,
                 const T* bias, T* y) {
  const Ranges blocks(tile.columns, kBlock);
  RowReader<T> reader(g, tile, g.padding_h(), g.padding_w(), pixels, x);
  const int64_t taps = g.kh * g.kw;
  for (int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
    const int64_t top = row - g.padding_h(), u = std::max<int64_t>(0, -top), u_end = std::min(g.kh, g.h - top);
    reader.ReadUpTo(row + g.padding_h());
    for (int64_t plane = 0; plane < tile.planes; ++plane) {
      const int64_t channel = (tile.plane + plane) * kLanes, lanes = std::min(kLanes, g.c - channel);
      const Float8 shift = bias == nullptr ? Float8{} : LoadLanes(bias + channel, lanes);
      const float* rows = x.Row(plane, top + u);
      T* out = y + ((tile.image * g.h + row) * g.w + tile.column) * g.c + channel;
      for (int64_t block = 0; block < blocks.count; ++block) {
        const int64_t j = blocks.begin(block);
        OutputBlockOf<kTaps>(blocks.begin(block + 1) - j, rows + j * kLanes, x.row_elements(),
                             filter + (plane * taps + u * g.kw) * kLanes, u_end - u, g.kw, shift, lanes, g.c,
                             out + j * g.c);
      }
    }
  }
}

template <typename T>
void Convolve(const DepthwiseGeometry& g, const T* x, const T* filter, bool reversed, const T* bias, T* y) {
  const Tiling tiling(g);
  const int64_t rows = tiling.rows.longest() + g.kh - 1, columns = tiling.columns.longest() + g.kw - 1;
  const int64_t planes = tiling.chunks.longest();
  ParallelPieces(tiling.spatial() * tiling.chunk_count(), [&](int64_t piece) {
    const Tile tile = tiling.At(piece / tiling.chunk_count(), piece % tiling.chunk_count());
    Scratch<float> scratch(planes * (rows * columns + g.kh * g.kw) * kLanes);
    const Packed packed{scratch.data(), tile.row - g.padding_h(), rows, columns};
    float* taps = scratch.data() + planes * rows * columns * kLanes;
    PackFilter(g, tile, filter, reversed, taps);
    switch (g.kw) {
      case 3:
        return ForwardTile<3>(g, tile, x, packed, taps, bias, y);
      case 5:
        return ForwardTile<5>(g, tile, x, packed, taps, bias, y);
      case 7:
        return ForwardTile<7>(g, tile, x, packed, taps, bias, y);
      default:
        return ForwardTile<0>(g, tile, x, packed, taps, bias, y);
    }
  });
}

// One row of outputs against kRows rows of the window: sums[u][v] += Σ_j dy[j] · x[u][j + v]. All sums are registers,
// at least eight of them where possible, as a multiply-add takes four cycles and two start in each.
template <int kTaps, int kRows>
void CorrelateRows(const float* x, int64_t x_row, const float* dy, int64_t columns, float* sums) {
  Float8 sum[kRows * kTaps];
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kTaps; ++i) sum[i] = Load(sums + i * kLanes);
  for (int64_t j = 0; j < columns; ++j, x += kLanes) {
    asm("" : "+r"(x));  // else the compiler carries pixels from one j to the next and runs out of registers
    const Float8 upstream = Load(dy + j * kLanes);
#pragma GCC unroll 16
    for (int u = 0; u < kRows; ++u) {
#pragma GCC unroll 16
      for (int v = 0; v < kTaps; ++v) sum[u * kTaps + v] += upstream * Load(x + u * x_row + v * kLanes);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kTaps; ++i) Store(sums + i * kLanes, sum[i]);
}

// The same for a filter of any width, one row of the window.
void CorrelateRow(const float* x, const float* dy, int64_t columns, int64_t taps, float* sums) {
  for (int64_t v = 0; v < taps; ++v) {
    Float8 sum[4] = {};
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) sum[i] += Load(dy + (j + i) * kLanes) * Load(x + (j + i + v) * kLanes);
    }
    for (; j < columns; ++j) sum[0] += Load(dy + j * kLanes) * Load(x + (j + v) * kLanes);
    Store(sums + v * kLanes, Load(sums + v * kLanes) + ((sum[0] + sum[2]) + (sum[1] + sum[3])));
  }
}

template <int kTaps, typename T>
void CorrelateTile(const DepthwiseGeometry& g, const Tile& tile, const T* pixels, const T* gradients, const Packed& x,
                   const Packed& dy, float* sums) {
  constexpr int kRows = kTaps == 3 ? 3 : 2;
  RowReader<T> x_reader(g, tile, g.padding_h(), g.padding_w(), pixels, x), dy_reader(g, tile, 0, 0, gradients, dy);
  for (int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
    const int64_t top = row - g.padding_h(), first = std::max<int64_t>(0, -top), last = std::min(g.kh, g.h - top);
    x_reader.ReadUpTo(row + g.padding_h());
    dy_reader.ReadUpTo(row);
    for (int64_t plane = 0; plane < tile.planes; ++plane) {
      const float* upstream = dy.Row(plane, row);
      float* plane_sums = sums + plane * g.kh * g.kw * kLanes;
      int64_t u = first;
      if constexpr (kTaps > 0) {
        for (; u + kRows <= last; u += kRows) {
          CorrelateRows<kTaps, kRows>(x.Row(plane, top + u), x.row_elements(), upstream, tile.columns,
                                      plane_sums + u * kTaps * kLanes);
        }
        for (; u < last; ++u) {
          CorrelateRows<kTaps, 1>(x.Row(plane, top + u), x.row_elements(), upstream, tile.columns,
                                  plane_sums + u * kTaps * kLanes);
        }
      } else {
        for (; u < last; ++u)
          CorrelateRow(x.Row(plane, top + u), upstream, tile.columns, g.kw, plane_sums + u * g.kw * kLanes);
      }
    }
  }
}

void SumPixels(const Tile& tile, const Packed& dy, float* sums) {
  for (int64_t plane = 0; plane < tile.planes; ++plane) {
    Float8 sum = Load(sums + plane * kLanes);
    for (int64_t row = tile.row; row < tile.row + tile.rows; ++row) {
      Float8 row_sum = {};
      for (int64_t j = 0; j < tile.columns; ++j) row_sum += Load(dy.Row(plane, row) + j * kLanes);
      sum += row_sum;
    }
    Store(sums + plane * kLanes, sum);
  }
}

}  // namespace

template <typename T>
void TiledDepthwiseForward(const DepthwiseGeometry& g, const T* x, const T* filter, const T* bias, T* y) {
  Convolve(g, x, filter, false, bias, y);
}

template <typename T>
void TiledDepthwiseInputGradient(const DepthwiseGeometry& g, const T* filter, const T* dy, T* dx) {
  Convolve<T>(g, dy, filter, true, nullptr, dx);
}

template <typename T>
void TiledDepthwiseFilterGradient(const DepthwiseGeometry& g, const T* x, const T* dy, T* dfilter, T* dbias) {
  const Tiling tiling(g);
  const int64_t planes = tiling.chunks.longest(), taps = g.kh * g.kw, chunks = tiling.chunk_count();
  const int64_t parts = std::min(tiling.spatial(), CeilDivide(kFilterPieces, chunks));
  // A plane's sums: [kh][kw][8], then the bias gradient [8].
  const int64_t filter_size = planes * taps * kLanes, size = filter_size + planes * kLanes;
  const int64_t rows = tiling.rows.longest(), columns = tiling.columns.longest();
  const int64_t x_rows = rows + g.kh - 1, x_columns = columns + g.kw - 1;
  Scratch<float> partial(parts * chunks * size);
  float* partials = partial.data();
  ParallelPieces(parts * chunks, [&](int64_t piece) {
    const int64_t part = piece / chunks, chunk = piece % chunks;
    float* sums = partials + piece * size;
    std::fill_n(sums, size, 0.0f);
    Scratch<float> scratch(planes * (x_rows * x_columns + rows * columns) * kLanes);
    for (int64_t place = tiling.spatial() * part / parts; place < tiling.spatial() * (part + 1) / parts; ++place) {
      const Tile tile = tiling.At(place, chunk);
      const Packed packed_x{scratch.data(), tile.row - g.padding_h(), x_rows, x_columns};
      const Packed packed_dy{scratch.data() + planes * x_rows * x_columns * kLanes, tile.row, rows, columns};
      switch (g.kw) {
        case 3:
          CorrelateTile<3>(g, tile, x, dy, packed_x, packed_dy, sums);
          break;
        case 5:
          CorrelateTile<5>(g, tile, x, dy, packed_x, packed_dy, sums);
          break;
        case 7:
          CorrelateTile<7>(g, tile, x, dy, packed_x, packed_dy, sums);
          break;
        default:
          CorrelateTile<0>(g, tile, x, dy, packed_x, packed_dy, sums);
      }
      if (dbias != nullptr) SumPixels(tile, packed_dy, sums + filter_size);
    }
  });
  ParallelFor(chunks, 8, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const Tile tile = tiling.At(0, chunk);
      for (int64_t plane = 0; plane < tile.planes; ++plane) {
        const int64_t channel = (tile.plane + plane) * kLanes, lanes = std::min(kLanes, g.c - channel);
        const auto total = [&](int64_t offset) {
          Float8 sum = {};
          for (int64_t part = 0; part < parts; ++part) sum += Load(partials + (part * chunks + chunk) * size + offset);
          return sum;
        };
        for (int64_t tap = 0; tap < taps; ++tap)
          StoreLanes(dfilter + tap * g.c + channel, total((plane * taps + tap) * kLanes), lanes);
        if (dbias != nullptr) StoreLanes(dbias + channel, total(filter_size + plane * kLanes), lanes);
      }
    }
  });
}

template void TiledDepthwiseForward(const DepthwiseGeometry&, const float*, const float*, const float*, float*);
template void TiledDepthwiseForward(const DepthwiseGeometry&, const BFloat16*, const BFloat16*, const BFloat16*,
                                    BFloat16*);
template void TiledDepthwiseInputGradient(const DepthwiseGeometry&, const float*, const float*, float*);
template void TiledDepthwiseInputGradient(const DepthwiseGeometry&, const BFloat16*, const BFloat16*, BFloat16*);
template void TiledDepthwiseFilterGradient(const DepthwiseGeometry&, const float*, const float*, float*, float*);
template void TiledDepthwiseFilterGradient(const DepthwiseGeometry&, const BFloat16*, const BFloat16*, BFloat16*,
                                           BFloat16*);

}  // namespace autograd::cpu
