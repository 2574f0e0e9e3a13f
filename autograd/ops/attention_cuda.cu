#include <algorithm>
#include <limits>

#include "autograd/core/launch_cuda.h"
#include "autograd/ops/attention_cuda.h"
#include "autograd/ops/attention_heads.h"
#include "autograd/ops/attention_kernels.h"
#include "autograd/runtime/math.h"

// A block of 16 × 16 threads works on a tile of pairs of a query and a key, each thread on a patch of it in registers;
// the operands come through shared memory. Scores are computed anew wherever they are needed and are never stored.
// Every sum has one order: its tiles ascending.
//
// The arithmetic is that of the plain cores in float32, which bounds these kernels; where bfloat16 allows it cuDNN
// computes instead (attention_cuda.h).

namespace autograd::cuda {
namespace {

constexpr int kSide = 16;   // threads along each side of a tile
constexpr int kDepth = 16;  // channels in shared memory at a time, while products are summed over them

// A patch is as wide as a pack, so that it is loaded from shared memory at once.
template <typename Value>
constexpr int kPatch = Pack<Value>::kSize;
template <typename Value>
constexpr int kTile = kSide* kPatch<Value>;

template <typename Value>
struct Patch {
  Value rows[kPatch<Value>][kPatch<Value>] = {};
  __device__ Value (&operator[](int row))[kPatch<Value>] { return rows[row]; }
  __device__ const Value (&operator[](int row) const)[kPatch<Value>] { return rows[row]; }
};

// Rows of a tile's width in shared memory; the pack more keeps columns off one bank.
template <typename Value>
struct Tile {
  static constexpr int kRows = kTile<Value>;
  Pack<Value> rows[kRows][kSide + 1];
};
template <typename Value>
struct Part {
  static constexpr int kRows = kDepth;
  Pack<Value> rows[kRows][kSide + 1];
};

// The matrix [tokens, width] of one image and head.
template <typename T>
struct Matrix {
  T* data;
  int64_t tokens, width, stride;
};

// Number `index` = image·heads + head.
template <typename T>
__device__ Matrix<T> OfHead(const HeadMatrices<T>& heads, int64_t index) {
  return {heads.at(index, 0), heads.tokens, heads.width, heads.stride()};
}

// part[c][t] = x[token + t, channel + c], zero outside.
template <typename T, typename Value>
__device__ void LoadTransposed(const Matrix<const T>& x, int64_t token, int64_t channel, Part<Value>& part) {
  static_assert(kDepth == kSide);
  const int64_t c = channel + threadIdx.x;
  for (int i = 0; i < kPatch<Value>; ++i) {
    const int t = threadIdx.y + i * kSide;
    const bool inside = token + t < x.tokens && c < x.width;
    part.rows[threadIdx.x][t / kPatch<Value>].values[t % kPatch<Value>] =
        inside ? Load(x.data + (token + t) * x.stride + c) : Value(0);
  }
}

// part[t][c] = x[token + t, channel + c], zero outside.
template <typename T, typename Value>
__device__ void LoadRows(const Matrix<const T>& x, int64_t token, int64_t channel, Tile<Value>& part) {
  for (int i = 0; i < kPatch<Value>; ++i) {
    const int t = threadIdx.y + i * kSide;
    for (int j = 0; j < kPatch<Value>; ++j) {
      const int c = threadIdx.x + j * kSide;
      const bool inside = token + t < x.tokens && channel + c < x.width;
      part.rows[t][c / kPatch<Value>].values[c % kPatch<Value>] =
          inside ? Load(x.data + (token + t) * x.stride + channel + c) : Value(0);
    }
  }
}

// sums += aᵀ·b, of which this thread has the patch (threadIdx.y, threadIdx.x).
template <typename Value, template <typename> typename Operand>
__device__ void AddProducts(const Operand<Value>& a, const Operand<Value>& b, Patch<Value>& sums) {
  for (int k = 0; k < Operand<Value>::kRows; ++k) {
    const Pack<Value> left = a.rows[k][threadIdx.y], right = b.rows[k][threadIdx.x];
    for (int r = 0; r < kPatch<Value>; ++r) {
      for (int c = 0; c < kPatch<Value>; ++c) sums[r][c] += left.values[r] * right.values[c];
    }
  }
}

// sums = a·bᵀ for the tokens from a_token and b_token on.
template <typename T, typename Value>
__device__ void Products(const Matrix<const T>& a, int64_t a_token, const Matrix<const T>& b, int64_t b_token,
                         Part<Value>& a_part, Part<Value>& b_part, Patch<Value>& sums) {
  sums = {};
  for (int64_t channel = 0; channel < a.width; channel += kDepth) {
    LoadTransposed(a, a_token, channel, a_part);
    LoadTransposed(b, b_token, channel, b_part);
    __syncthreads();
    AddProducts(a_part, b_part, sums);
    __syncthreads();
  }
}

// tile[row][column] = patch[row][column], or with the two exchanged.
template <typename Value>
__device__ void StorePatch(const Patch<Value>& patch, bool transposed, Tile<Value>& tile) {
  const int first = kPatch<Value> * static_cast<int>(transposed ? threadIdx.x : threadIdx.y);
  for (int i = 0; i < kPatch<Value>; ++i) {
    Pack<Value> pack;
    for (int k = 0; k < kPatch<Value>; ++k) pack.values[k] = transposed ? patch[k][i] : patch[i][k];
    tile.rows[first + i][transposed ? threadIdx.y : threadIdx.x] = pack;
  }
}

// Writes this thread's patch of the rows from `token` and the columns from `channel` on.
template <typename T, typename Value>
__device__ void StoreResult(const Patch<Value>& patch, const Matrix<T>& to, int64_t token, int64_t channel) {
  for (int r = 0; r < kPatch<Value>; ++r) {
    const int64_t t = token + threadIdx.y * kPatch<Value> + r;
    for (int c = 0; c < kPatch<Value> && t < to.tokens; ++c) {
      const int64_t column = channel + threadIdx.x * kPatch<Value> + c;
      if (column < to.width) to.data[t * to.stride + column] = static_cast<T>(patch[r][c]);
    }
  }
}

// Over the threads of one row of a tile, which are half a warp.
template <typename Value, typename Combine>
__device__ Value CombineRow(Value value, const Combine& combine) {
  for (int offset = kSide / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(0xFFFFFFFFu, value, offset));
  return value;
}

// Block (matrix and query tile, tile of the values' channels): the running softmax rescales what was summed so far when
// a larger score appears.
template <typename T, typename Value>
__global__ void __launch_bounds__(kSide* kSide, 2)
    ForwardKernel(HeadMatrices<const T> queries, HeadMatrices<const T> keys, HeadMatrices<const T> values, Value scale,
                  int64_t tiles, HeadMatrices<T> result, Value* log_sums) {
  SHARED_MEMORY(q_part, Part<Value>);
  SHARED_MEMORY(k_part, Part<Value>);
  SHARED_MEMORY(p_tile, Tile<Value>);
  SHARED_MEMORY(v_tile, Tile<Value>);
  constexpr int kCount = kPatch<Value>;
  constexpr Value kInfinity = std::numeric_limits<Value>::infinity();
  const int64_t index = blockIdx.x / tiles, query = blockIdx.x % tiles * kTile<Value>;
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * kTile<Value>;
  const Matrix<const T> q = OfHead(queries, index), k = OfHead(keys, index), v = OfHead(values, index);

  Patch<Value> sums;
  Value largest[kCount], totals[kCount];
  for (int r = 0; r < kCount; ++r) {
    largest[r] = -kInfinity;
    totals[r] = 0;
  }
  for (int64_t key = 0; key < k.tokens; key += kTile<Value>) {
    Patch<Value> scores;
    Products(q, query, k, key, q_part, k_part, scores);
    for (int r = 0; r < kCount; ++r) {
      Value next = largest[r], total = 0;
      for (int c = 0; c < kCount; ++c) {
        scores[r][c] = key + threadIdx.x * kCount + c < k.tokens ? scale * scores[r][c] : -kInfinity;
        next = max(next, scores[r][c]);
      }
      next = CombineRow(next, [](Value a, Value b) { return max(a, b); });
      for (int c = 0; c < kCount; ++c) {
        scores[r][c] = math::Exp(scores[r][c] - next);
        total += scores[r][c];
      }
      const Value correction = math::Exp(largest[r] - next);
      totals[r] = totals[r] * correction + CombineRow(total, [](Value a, Value b) { return a + b; });
      largest[r] = next;
      for (int c = 0; c < kCount; ++c) sums[r][c] *= correction;
    }
    StorePatch(scores, true, p_tile);
    LoadRows(v, key, channel, v_tile);
    __syncthreads();
    AddProducts(p_tile, v_tile, sums);
    __syncthreads();
  }
  for (int r = 0; r < kCount; ++r) {
    const Value inverse = Value(1) / totals[r];
    for (int c = 0; c < kCount; ++c) sums[r][c] *= inverse;
    const int64_t token = query + threadIdx.y * kCount + r;
    if (blockIdx.y == 0 && threadIdx.x == 0 && token < q.tokens)
      log_sums[index * q.tokens + token] = largest[r] + math::Log(totals[r]);
  }
  StoreResult(sums, OfHead(result, index), query, channel);
}

// Block (matrix and query tile, key tile).
template <typename T, typename Value>
__global__ void __launch_bounds__(kSide* kSide, 2)
    ProbabilitiesKernel(HeadMatrices<const T> queries, HeadMatrices<const T> keys, const Value* log_sums, Value scale,
                        int64_t tiles, T* probabilities) {
  SHARED_MEMORY(q_part, Part<Value>);
  SHARED_MEMORY(k_part, Part<Value>);
  const int64_t index = blockIdx.x / tiles, query = blockIdx.x % tiles * kTile<Value>;
  const int64_t key = static_cast<int64_t>(blockIdx.y) * kTile<Value>;
  const Matrix<const T> q = OfHead(queries, index), k = OfHead(keys, index);
  Patch<Value> scores;
  Products(q, query, k, key, q_part, k_part, scores);
  for (int r = 0; r < kPatch<Value>; ++r) {
    const int64_t token = query + threadIdx.y * kPatch<Value> + r;
    if (token >= q.tokens) continue;
    const Value log_sum = log_sums[index * q.tokens + token];
    for (int c = 0; c < kPatch<Value>; ++c) scores[r][c] = math::Exp(scale * scores[r][c] - log_sum);
  }
  StoreResult(scores, Matrix<T>{probabilities + index * q.tokens * k.tokens, q.tokens, k.tokens, k.tokens}, query, key);
}

// inner[n, heads, l] = Σ y·dy over the channels: one warp a row of y.
template <typename T, typename Value>
__global__ void InnerKernel(HeadMatrices<const T> y, HeadMatrices<const T> dy, int64_t rows, Value* inner) {
  const int lane = threadIdx.x % kWarp;
  for (int64_t row = GridIndex() / kWarp; row < rows; row += GridStride() / kWarp) {
    const int64_t pixel = row / y.heads, head = row % y.heads, image = pixel / y.tokens, token = pixel % y.tokens;
    Value sum = 0;
    for (int64_t c = lane; c < y.width; c += kWarp)
      sum += Load(y.data + row * y.width + c) * Load(dy.data + row * y.width + c);
    sum = WarpSum(sum);
    if (lane == 0) inner[(image * y.heads + head) * y.tokens + token] = sum;
  }
}

template <typename T, typename Value>
struct GradientOperands {
  HeadMatrices<const T> q, k, v, dy;
  const Value *log_sums, *inner;
  Value scale;
};

// p = exp(scale·q·kᵀ − log_sums) and, where it is wanted, ds = scale·p·(dy·vᵀ − inner); zero outside.
template <typename T, typename Value>
__device__ void PairGradients(const GradientOperands<T, Value>& a, int64_t index, int64_t query, int64_t key,
                              bool wants_ds, Part<Value>& first, Part<Value>& second, Patch<Value>& p,
                              Patch<Value>& ds) {
  const Matrix<const T> q = OfHead(a.q, index), k = OfHead(a.k, index);
  Products(q, query, k, key, first, second, p);
  if (wants_ds) Products(OfHead(a.dy, index), query, OfHead(a.v, index), key, first, second, ds);
  for (int r = 0; r < kPatch<Value>; ++r) {
    const int64_t token = query + threadIdx.y * kPatch<Value> + r, position = index * q.tokens + token;
    const bool row = token < q.tokens;
    const Value log_sum = row ? a.log_sums[position] : Value(0), inner = row ? a.inner[position] : Value(0);
    for (int c = 0; c < kPatch<Value>; ++c) {
      const bool inside = row && key + threadIdx.x * kPatch<Value> + c < k.tokens;
      p[r][c] = inside ? math::Exp(a.scale * p[r][c] - log_sum) : Value(0);
      if (wants_ds) ds[r][c] = a.scale * p[r][c] * (ds[r][c] - inner);
    }
  }
}

// dq = ds·k. Block (matrix and query tile, tile of the channels).
template <typename T, typename Value>
__global__ void __launch_bounds__(kSide* kSide, 2)
    QueryGradientKernel(GradientOperands<T, Value> a, int64_t tiles, HeadMatrices<T> dq) {
  SHARED_MEMORY(first, Part<Value>);
  SHARED_MEMORY(second, Part<Value>);
  SHARED_MEMORY(ds_tile, Tile<Value>);
  SHARED_MEMORY(k_tile, Tile<Value>);
  const int64_t index = blockIdx.x / tiles, query = blockIdx.x % tiles * kTile<Value>;
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * kTile<Value>;
  Patch<Value> sums, p, ds;
  for (int64_t key = 0; key < a.k.tokens; key += kTile<Value>) {
    PairGradients(a, index, query, key, true, first, second, p, ds);
    StorePatch(ds, true, ds_tile);
    LoadRows(OfHead(a.k, index), key, channel, k_tile);
    __syncthreads();
    AddProducts(ds_tile, k_tile, sums);
    __syncthreads();
  }
  StoreResult(sums, OfHead(dq, index), query, channel);
}

// dv = pᵀ·dy and dk = dsᵀ·q. Block (matrix and key tile, tile of the channels of either).
template <typename T, typename Value>
__global__ void __launch_bounds__(kSide* kSide, 2)
    KeyGradientKernel(GradientOperands<T, Value> a, int64_t tiles, HeadMatrices<T> dk, HeadMatrices<T> dv) {
  SHARED_MEMORY(first, Part<Value>);
  SHARED_MEMORY(second, Part<Value>);
  SHARED_MEMORY(pairs, Tile<Value>);
  SHARED_MEMORY(rows, Tile<Value>);
  const int64_t index = blockIdx.x / tiles, key = blockIdx.x % tiles * kTile<Value>;
  const int64_t channel = static_cast<int64_t>(blockIdx.y) * kTile<Value>;
  const bool wants_dk = dk.data != nullptr && channel < dk.width, wants_dv = dv.data != nullptr && channel < dv.width;
  Patch<Value> dk_sums, dv_sums, p, ds;
  for (int64_t query = 0; query < a.q.tokens; query += kTile<Value>) {
    PairGradients(a, index, query, key, wants_dk, first, second, p, ds);
    if (wants_dv) {
      StorePatch(p, false, pairs);
      LoadRows(OfHead(a.dy, index), query, channel, rows);
      __syncthreads();
      AddProducts(pairs, rows, dv_sums);
      __syncthreads();
    }
    if (wants_dk) {
      StorePatch(ds, false, pairs);
      LoadRows(OfHead(a.q, index), query, channel, rows);
      __syncthreads();
      AddProducts(pairs, rows, dk_sums);
      __syncthreads();
    }
  }
  if (wants_dk) StoreResult(dk_sums, OfHead(dk, index), key, channel);
  if (wants_dv) StoreResult(dv_sums, OfHead(dv, index), key, channel);
}

// What the grid covers: `tokens` in tiles for every matrix, and `width` in tiles.
struct TileGrid {
  int64_t tiles;
  dim3 grid;

  template <typename T>
  TileGrid(const char* operation, const HeadMatrices<T>& rows, int64_t images, int64_t width, int64_t tile)
      : tiles((rows.tokens + tile - 1) / tile) {
    const int64_t blocks = images * rows.heads * tiles, across = std::max<int64_t>(1, (width + tile - 1) / tile);
    Require(blocks <= std::numeric_limits<int32_t>::max() && across <= 65535, operation, images, " images of ",
            rows.heads, " heads and ", rows.tokens, " tokens are too many for CUDA");
    grid = dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(across));
  }
};

}  // namespace

void AttentionForward(Stream& stream, const Array& q, const Array& k, const Array& v, double scale, Array& y,
                      Array& log_sums) {
  if (log_sums.size() == 0 || AttentionByCudnn(stream, q, k, v, scale, y, log_sums)) return;
  VisitFloating("AttentionForward", q.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const TileGrid grid("AttentionForward", Matrices<T>(q), q.shape()[0], v.shape()[3], kTile<Value>);
    Launch("AttentionForward", stream, grid.grid, dim3(kSide, kSide), ForwardKernel<T, Value>, Matrices<T>(q),
           Matrices<T>(k), Matrices<T>(v), static_cast<Value>(scale), grid.tiles, MutableMatrices<T>(y),
           log_sums.data<Value>());
  });
}

void AttentionProbabilities(Stream& stream, const Array& q, const Array& k, const Array& log_sums, double scale,
                            Array& probabilities) {
  if (probabilities.size() == 0) return;
  VisitFloating("AttentionProbabilities", q.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const TileGrid grid("AttentionProbabilities", Matrices<T>(q), q.shape()[0], k.shape()[1], kTile<Value>);
    Launch("AttentionProbabilities", stream, grid.grid, dim3(kSide, kSide), ProbabilitiesKernel<T, Value>,
           Matrices<T>(q), Matrices<T>(k), log_sums.data<Value>(), static_cast<Value>(scale), grid.tiles,
           probabilities.data<T>());
  });
}

void AttentionGradient(Stream& stream, const Array& q, const Array& k, const Array& v, const Array& y,
                       const Array& log_sums, const Array& dy, double scale, Array& dq, Array& dk, Array& dv) {
  if (log_sums.size() == 0) {
    for (Array* gradient : {&dq, &dk, &dv}) {
      if (gradient->defined()) stream.FillZero(gradient->raw(), gradient->bytes());
    }
    return;
  }
  if (AttentionGradientByCudnn(stream, q, k, v, y, log_sums, dy, scale, dq, dk, dv)) return;
  VisitFloating("AttentionGradient", q.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    constexpr int64_t kSize = kTile<Value>;
    Array inner = EmptyLike(log_sums);
    Launch("AttentionGradient", stream, Blocks(inner.size() * kWarp), kBlock, InnerKernel<T, Value>, Matrices<T>(y),
           Matrices<T>(dy), inner.size(), inner.data<Value>());
    const GradientOperands<T, Value> operands{Matrices<T>(q),           Matrices<T>(k),         Matrices<T>(v),
                                              Matrices<T>(dy),          log_sums.data<Value>(), inner.data<Value>(),
                                              static_cast<Value>(scale)};
    const int64_t images = q.shape()[0], width = q.shape()[3];
    if (dq.defined()) {
      const TileGrid grid("AttentionGradient", operands.q, images, width, kSize);
      Launch("AttentionGradient", stream, grid.grid, dim3(kSide, kSide), QueryGradientKernel<T, Value>, operands,
             grid.tiles, MutableMatrices<T>(dq));
    }
    if (dk.defined() || dv.defined()) {
      const TileGrid grid("AttentionGradient", operands.k, images, std::max(width, v.shape()[3]), kSize);
      Launch("AttentionGradient", stream, grid.grid, dim3(kSide, kSide), KeyGradientKernel<T, Value>, operands,
             grid.tiles, MutableMatrices<T>(dk), MutableMatrices<T>(dv));
    }
  });
}

}  // namespace autograd::cuda
