#pragma once

// What the normalisations and the reductions share on CUDA: arrays seen as [outer, rows, channels] (outer is 1 for
// batch normalisation, the images for group normalisation and GRN), sums over the rows of each channel, and maps whose
// coefficients belong to the channels.
//
// A thread keeps to kWidth neighbouring channels (a pack of 16 bytes, or one) and walks down the rows, so what belongs
// to a channel is loaded once. Everything here is bound by the memory's bandwidth.

#include <algorithm>

#include "autograd/core/array.h"
#include "autograd/ops/block_sums_cuda.h"

namespace autograd::cuda {

// How [outer, rows, channels] is cut into tasks for blocks: `chunk` rows of a tile of neighbouring channels. The cuts
// depend on the extents alone.
struct ChannelTasks {
  int64_t outer, rows, channels;
  int64_t chunk, chunks, tiles;
  unsigned lanes, rows_of_threads;

  HOST_DEVICE int64_t count() const { return outer * chunks * tiles; }
  dim3 block() const { return dim3(lanes, rows_of_threads); }
  unsigned grid() const { return Blocks(count(), 1); }
};

// At most about `most_tasks` tasks of at least `least_rows` rows a thread, where there are enough rows for that.
inline ChannelTasks CutChannels(int64_t outer, int64_t rows, int64_t channels, int64_t width, int64_t most_lanes,
                                int64_t most_tasks, int64_t least_rows) {
  const auto parts = [](int64_t count, int64_t size) { return std::max<int64_t>(1, (count + size - 1) / size); };
  const int64_t packs = parts(channels, width), tiles = parts(packs, most_lanes), lanes = parts(packs, tiles);
  const int64_t rows_of_threads = std::clamp<int64_t>(rows, 1, kBlock / lanes);
  const int64_t chunk =
      parts(rows, std::clamp<int64_t>(most_tasks / (outer * tiles), 1, parts(rows, least_rows * rows_of_threads)));
  return {outer,
          rows,
          channels,
          chunk,
          parts(rows, chunk),
          tiles,
          static_cast<unsigned>(lanes),
          static_cast<unsigned>(rows_of_threads)};
}

// A thread's place in a task: in `o` the rows [first, last), of which it takes every blockDim.y-th, and the channels
// from c on.
struct ChannelPlace {
  int64_t part, o, first, last, c;
};
template <int kWidth>
__device__ inline ChannelPlace PlaceIn(const ChannelTasks& tasks, int64_t task) {
  const int64_t part = task / tasks.tiles, o = part / tasks.chunks;
  const int64_t first = (part - o * tasks.chunks) * tasks.chunk;
  const int64_t last = min(tasks.rows, first + tasks.chunk), tile = task - part * tasks.tiles;
  return {part, o, first, last, (tile * blockDim.x + threadIdx.x) * kWidth};
}

// At most 64 rows are added in Value, further ones in float64.
constexpr int64_t kRunOfRows = 64;

template <int kWidth, typename Terms, typename Store>
__global__ void ChannelSumsKernel(ChannelTasks tasks, Terms terms, Store store) {
  constexpr int kQuantities = Terms::kQuantities;
  SHARED_MEMORY(shared, double[kWidth][kBlock]);
  for (int64_t task = blockIdx.x; task < tasks.count(); task += gridDim.x) {
    const ChannelPlace place = PlaceIn<kWidth>(tasks, task);
    const bool inside = place.c < tasks.channels;
    double totals[kQuantities][kWidth] = {};
    if (inside) {
      const typename Terms::template Column<kWidth> column(terms, place.o, place.c);
      const int64_t step = blockDim.y;
      for (int64_t r = place.first + threadIdx.y; r < place.last;) {
        const int64_t run_end = min(place.last, r + kRunOfRows * step);
        typename Terms::Value sums[kQuantities][kWidth] = {};
        const auto add = [&](int64_t row_in_o) {
          const int64_t row = place.o * tasks.rows + row_in_o;
          column.Add(row, row * tasks.channels + place.c, sums);
        };
        // Four rows on their way at once hide the memory's latency.
        for (; r + 3 * step < run_end; r += 4 * step) {
          for (int i = 0; i < 4; ++i) add(r + i * step);
        }
        for (; r < run_end; r += step) add(r);
        for (int q = 0; q < kQuantities; ++q) {
          for (int k = 0; k < kWidth; ++k) totals[q][k] += static_cast<double>(sums[q][k]);
        }
      }
    }
    for (int q = 0; q < kQuantities; ++q) SumOverRowsOfThreads(totals[q], shared);
    if (inside && threadIdx.y == 0) {
      for (int k = 0; k < kWidth; ++k) {
        double sums[kQuantities];
        for (int q = 0; q < kQuantities; ++q) sums[q] = totals[q][k];
        store(place.part, place.c + k, sums);
      }
    }
  }
}

// sums [o, q, c] in float64: a Store that keeps them, and the Terms that add them up over o.
template <int kSums>
struct KeptSums {
  using Value = double;
  static constexpr int kQuantities = kSums;

  template <int kWidth>
  struct Column {
    static_assert(kWidth == 1);
    __device__ Column(const KeptSums& terms, int64_t, int64_t c) : kept(terms.kept + c), stride(terms.channels) {}
    __device__ void Add(int64_t row, int64_t, double (&sums)[kSums][1]) const {
      for (int q = 0; q < kSums; ++q) sums[q][0] += kept[(row * kSums + q) * stride];
    }
    const double* kept;
    int64_t stride;
  };
  __device__ void operator()(int64_t o, int64_t c, const double (&sums)[kSums]) const {
    for (int q = 0; q < kSums; ++q) kept[(o * kSums + q) * channels + c] = sums[q];
  }

  double* kept;
  int64_t channels;
};

// The last stage: store(o, c, sums) with the sums of o's `chunks` places in `kept`.
template <int kQuantities, typename Store>
void AddKeptSums(const char* operation, Stream& stream, int64_t outer, int64_t chunks,
                 const KeptSums<kQuantities>& kept, const Store& store) {
  // Few channels a block, so that many threads share the chunks; one task for all of them.
  const ChannelTasks tasks = CutChannels(outer, chunks, kept.channels, 1, 8, 1, 1);
  Launch(operation, stream, tasks.grid(), tasks.block(), ChannelSumsKernel<1, KeptSums<kQuantities>, Store>, tasks,
         kept, store);
}

// Calls store(o, c, sums) once for each o and channel c with its Terms::kQuantities sums over the rows. Terms has a
// class template Column<kWidth>, made in each thread from (terms, o, first channel), whose Add(row, offset, sums) adds
// what kWidth channels of one row contribute: row counts from the array's start, offset is that of the first element.
// Both are copied to the device. `packed`: kPack channels at a time can be loaded.
template <int kPack, typename Terms, typename Store>
void ChannelSums(const char* operation, Stream& stream, int64_t outer, int64_t rows, int64_t channels, bool packed,
                 const Terms& terms, const Store& store) {
  if (outer * channels == 0) return;
  constexpr int kQuantities = Terms::kQuantities;
  const ChannelTasks tasks = CutChannels(outer, rows, channels, packed ? kPack : 1, kWarp, 2048, 16);
  const auto launch = [&](const auto& kept) {
    using Kept = std::decay_t<decltype(kept)>;
    Launch(operation, stream, tasks.grid(), tasks.block(),
           packed ? &ChannelSumsKernel<kPack, Terms, Kept> : &ChannelSumsKernel<1, Terms, Kept>, tasks, terms, kept);
  };
  if (tasks.chunks == 1) return launch(store);
  Array partial = Array::Empty({outer * tasks.chunks, kQuantities, channels}, kFloat64);
  const KeptSums<kQuantities> sums{partial.data<double>(), channels};
  launch(sums);
  AddKeptSums(operation, stream, outer, tasks.chunks, sums, store);
}

template <int kWidth, typename Map>
__global__ void MapChannelsKernel(ChannelTasks tasks, Map map) {
  for (int64_t task = blockIdx.x; task < tasks.count(); task += gridDim.x) {
    const ChannelPlace place = PlaceIn<kWidth>(tasks, task);
    if (place.c >= tasks.channels) continue;
    const typename Map::template Column<kWidth> column(map, place.o, place.c);
    for (int64_t r = place.first + threadIdx.y; r < place.last; r += blockDim.y) {
      column.Apply((place.o * tasks.rows + r) * tasks.channels + place.c);
    }
  }
}

// Map has a class template Column<kWidth> like Terms above, whose Apply(offset) maps kWidth elements.
template <int kPack, typename Map>
void MapChannels(const char* operation, Stream& stream, int64_t outer, int64_t rows, int64_t channels, bool packed,
                 const Map& map) {
  if (outer * rows * channels == 0) return;
  const ChannelTasks tasks = CutChannels(outer, rows, channels, packed ? kPack : 1, kWarp, 8192, 4);
  Launch(operation, stream, tasks.grid(), tasks.block(),
         packed ? &MapChannelsKernel<kPack, Map> : &MapChannelsKernel<1, Map>, tasks, map);
}

// Values that a kernel reads or writes one at a time, whose dtype is T or what T is computed in: parameters and their
// gradients. Undefined arrays are null.
template <typename T>
class WideOrNarrow {
 public:
  using Value = ComputeType<T>;
  explicit WideOrNarrow(const Array& array) : WideOrNarrow(const_cast<Array&>(array)) {}
  explicit WideOrNarrow(Array& array) {
    if (!array.defined()) return;
    if (array.dtype() == DTypeOf<Value>::value) {
      wide_ = array.data<Value>();
    } else {
      narrow_ = array.data<T>();
    }
  }
  __device__ bool defined() const { return wide_ != nullptr || narrow_ != nullptr; }
  __device__ Value operator[](int64_t i) const { return wide_ != nullptr ? wide_[i] : static_cast<Value>(narrow_[i]); }
  __device__ void Store(int64_t i, double value) const {
    if (wide_ != nullptr) {
      wide_[i] = static_cast<Value>(value);
    } else {
      narrow_[i] = static_cast<T>(static_cast<Value>(value));
    }
  }

 private:
  Value* wide_ = nullptr;
  T* narrow_ = nullptr;
};

// A Store for the gradients of two parameters, in the order of the sums.
template <typename T>
struct StoreParameterGradients {
  __device__ void operator()(int64_t, int64_t c, const double (&sums)[2]) const {
    first.Store(c, sums[0]);
    second.Store(c, sums[1]);
  }
  WideOrNarrow<T> first, second;
};

}  // namespace autograd::cuda
