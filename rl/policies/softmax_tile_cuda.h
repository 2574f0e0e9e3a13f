#pragma once

// What softmax_block_cpu.h is on the CPU: rows of logits in shared memory, so that a row is read from memory once,
// whatever is then asked of it and however many samples there are. A block takes a tile of rows, a group of
// neighbouring lanes each row.
//
// Use it from a *_cuda.cu. An operation is a Task: a struct from RowTask whose operator()(row, position, in_range)
// every thread of the block calls together for its row, with shuffles and __syncwarp inside. Where in_range is false
// the row is behind the last position: its values are not defined and nothing may be read or written for it outside the
// tile.

#include <cmath>
#include <cstdint>

#include "autograd/core/array.h"
#include "autograd/core/launch_cuda.h"
#include "autograd/runtime/math.h"

namespace rl::cuda {

// Two tiles fit into the 48 KiB of a block, and one holds at least 8 rows of 255 classes.
template <typename Value>
inline constexpr int kTileValues = 22016 / sizeof(Value);

struct TileLayout {
  int classes;
  int stride;  // from row to row, odd: lanes that walk along neighbouring rows meet different banks
  int rows;    // a power of two
  int lanes;   // that share a row: kBlock / rows, at most a warp
};

template <typename Value>
TileLayout LayoutFor(int64_t classes, int64_t positions) {
  TileLayout layout{static_cast<int>(classes), static_cast<int>(classes) | 1, autograd::cuda::kBlock, 1};
  // Short maps are cut into more tiles, to have a block for every multiprocessor.
  while (layout.rows * layout.stride > kTileValues<Value> ||
         (layout.rows > autograd::cuda::kWarp && positions < layout.rows * 128))
    layout.rows /= 2;
  layout.lanes = autograd::cuda::kBlock / layout.rows;
  return layout;
}

inline unsigned TileBlocks(const TileLayout& layout, int64_t positions) {
  return autograd::cuda::Blocks(std::min<int64_t>(positions, int64_t{layout.rows} << 12), layout.rows);
}

// Calls body(element, slots, count) for the elements [element, element + count) of the tile, count <= kWidth, which
// live at tile[slots[0 .. count)].
template <int kWidth, typename Body>
__device__ void ForEachOfTile(const TileLayout& layout, int rows, const Body& body) {
  constexpr int kStep = autograd::cuda::kBlock * kWidth;
  const int elements = rows * layout.classes, row_step = kStep / layout.classes, column_step = kStep % layout.classes;
  int element = static_cast<int>(threadIdx.x) * kWidth;
  int row = element / layout.classes, column = element % layout.classes;
  for (; element < elements; element += kStep) {
    int slots[kWidth];
    int r = row, c = column;
    for (int k = 0; k < kWidth; ++k) {
      slots[k] = r * layout.stride + c;
      if (++c == layout.classes) {
        c = 0;
        ++r;
      }
    }
    body(element, slots, min(kWidth, elements - element));
    row += row_step;
    column += column_step;
    if (column >= layout.classes) {
      column -= layout.classes;
      ++row;
    }
  }
}

template <int kWidth, typename T, typename Value>
__device__ void LoadTile(const T* rows_of_logits, const TileLayout& layout, int rows, Value* tile) {
  ForEachOfTile<kWidth>(layout, rows, [&](int element, const int(&slots)[kWidth], int count) {
    Value values[kWidth];
    if (count == kWidth) {
      autograd::cuda::LoadMany(rows_of_logits + element, values);
      for (int k = 0; k < kWidth; ++k) tile[slots[k]] = values[k];
    } else {
      for (int k = 0; k < count; ++k) tile[slots[k]] = autograd::cuda::Load(rows_of_logits + element + k);
    }
  });
}

template <int kWidth, typename T, typename Value>
__device__ void StoreTile(const Value* tile, const TileLayout& layout, int rows, T* out) {
  ForEachOfTile<kWidth>(layout, rows, [&](int element, const int(&slots)[kWidth], int count) {
    Value values[kWidth];
    if (count == kWidth) {
      for (int k = 0; k < kWidth; ++k) values[k] = tile[slots[k]];
      autograd::cuda::StoreMany(out + element, values);
    } else {
      for (int k = 0; k < count; ++k) out[element + k] = static_cast<T>(tile[slots[k]]);
    }
  });
}

// One row, as a lane of its group sees it.
template <typename Value>
struct TileRow {
  Value* values;  // [classes]: the logits
  Value* others;  // [classes] of the second tile, for tasks that have one
  int classes, lane, lanes;

  // Calls body(k) for the classes of this lane.
  template <typename Body>
  __device__ void ForEachClass(const Body& body) const {
    for (int k = lane; k < classes; k += lanes) body(k);
  }
  __device__ bool Owns(int k) const { return (k & (lanes - 1)) == lane; }

  __device__ Value Sum(Value value) const {
    for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
    return value;
  }
  __device__ Value Largest(const Value* row) const {
    Value largest = -static_cast<Value>(INFINITY);
    ForEachClass([&](int k) { largest = row[k] > largest ? row[k] : largest; });
    for (int offset = lanes / 2; offset > 0; offset /= 2) {
      const Value other = __shfl_xor_sync(0xFFFFFFFFu, largest, offset);
      largest = other > largest ? other : largest;
    }
    return largest;
  }
  // Subtracts the largest value and returns Σ exp: log π_k = row[k] − log Σ, π_k = exp(row[k])/Σ.
  __device__ Value Shift(Value* row) const {
    const Value largest = Largest(row);
    Value total = 0;
    ForEachClass([&](int k) {
      row[k] -= largest;
      total += autograd::math::Exp(row[k]);
    });
    __syncwarp();
    return Sum(total);
  }
  // −Σ π log π of `values` after Shift, where 0·log 0 is 0.
  __device__ Value Entropy(Value total) const {
    Value sum = 0;
    ForEachClass([&](int k) {
      const Value e = autograd::math::Exp(values[k]);
      sum += e > Value(0) ? e * values[k] : Value(0);
    });
    return autograd::math::Log(total) - Sum(sum) / total;
  }
  // KL(values ‖ others), both after Shift.
  __device__ Value Divergence(Value total, Value other_total) const {
    Value sum = 0;
    ForEachClass([&](int k) {
      const Value e = autograd::math::Exp(values[k]);
      sum += e > Value(0) ? e * (values[k] - others[k]) : Value(0);
    });
    return Sum(sum) / total - autograd::math::Log(total) + autograd::math::Log(other_total);
  }
  // Calls body(action, weight) for samples [0, count) in order, in every lane of the row; take(i, action, weight) gives
  // those of sample i, and is called in one lane.
  template <typename Take, typename Body>
  __device__ void ForEachSample(int64_t count, const Take& take, const Body& body) const {
    for (int64_t first = 0; first < count; first += lanes) {
      int action = classes;
      Value weight = 0;
      if (first + lane < count) take(first + lane, action, weight);
      for (int k = 0; k < lanes && first + k < count; ++k)
        body(__shfl_sync(0xFFFFFFFFu, action, k, lanes), __shfl_sync(0xFFFFFFFFu, weight, k, lanes));
    }
  }
};

struct RowTask {
  static constexpr bool kTwoTiles = false;      // the second tile is loaded when there are other logits
  static constexpr bool kStoresSecond = false;  // which tile is stored when there is a result
  __device__ void Start() {}
  __device__ void Finish() {}
};

// Bound by bandwidth: logits are read once, the result is written once, in packs.
template <int kWidth, typename T, typename Task>
__global__ void __launch_bounds__(autograd::cuda::kBlock)
    RowsKernel(const T* logits, const T* other_logits, int64_t positions, TileLayout layout, Task task, T* result) {
  using Value = autograd::ComputeType<T>;
  SHARED_MEMORY(tile, Value[kTileValues<Value>]);
  SHARED_MEMORY(second, Value[Task::kTwoTiles ? kTileValues<Value> : 1]);
  const int row = static_cast<int>(threadIdx.x) / layout.lanes, lane = static_cast<int>(threadIdx.x) % layout.lanes;
  const TileRow<Value> own{tile + row * layout.stride, second + (Task::kTwoTiles ? row * layout.stride : 0),
                           layout.classes, lane, layout.lanes};
  task.Start();
  const int64_t step = static_cast<int64_t>(gridDim.x) * layout.rows;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * layout.rows; first < positions; first += step) {
    const int rows = static_cast<int>(min(static_cast<int64_t>(layout.rows), positions - first));
    __syncthreads();  // the previous tile has been stored
    LoadTile<kWidth>(logits + first * layout.classes, layout, rows, &tile[0]);
    if constexpr (Task::kTwoTiles) {
      if (other_logits != nullptr) LoadTile<kWidth>(other_logits + first * layout.classes, layout, rows, &second[0]);
    }
    __syncthreads();
    task(own, first + row, row < rows);
    if (result == nullptr) continue;
    __syncthreads();
    StoreTile<kWidth>(Task::kStoresSecond ? &second[0] : &tile[0], layout, rows, result + first * layout.classes);
  }
  task.Finish();
}

// other_logits and result may be undefined.
template <typename T, typename Task>
void LaunchRows(const char* operation, autograd::Stream& stream, const autograd::Array& logits,
                const autograd::Array& other_logits, const Task& task, autograd::Array& result) {
  const int64_t positions = logits.shape().rows();
  if (positions == 0) return;
  const TileLayout layout = LayoutFor<autograd::ComputeType<T>>(logits.shape()[-1], positions);
  const T* const others = other_logits.defined() ? other_logits.data<T>() : nullptr;
  T* const out = result.defined() ? result.data<T>() : nullptr;
  auto launch = [&](auto* kernel) {
    autograd::cuda::Launch(operation, stream, TileBlocks(layout, positions), autograd::cuda::kBlock, kernel,
                           logits.data<T>(), others, positions, layout, task, out);
  };
  if (autograd::cuda::Aligned(logits.data<T>(), others, out)) {
    launch(&RowsKernel<autograd::cuda::Pack<T>::kSize, T, Task>);
  } else {
    launch(&RowsKernel<1, T, Task>);
  }
}

}  // namespace rl::cuda
