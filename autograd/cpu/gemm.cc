#include "autograd/cpu/gemm.h"

#include <algorithm>
#include <optional>
#include <type_traits>

#include "autograd/core/array.h"
#include "autograd/cpu/eigen_maps.h"
#include "autograd/cpu/onednn.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Tiles smaller than this lose more to packing than a further core wins.
constexpr int64_t kTileSide = 256;
constexpr double kTileOperations = 16e6;
constexpr int64_t kMostTiles = 64;
// A partial sum over fewer rows costs as much to add up as to compute.
constexpr int64_t kLeastDepth = 1024;
constexpr int64_t kMostPartials = 16;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// In oneDNN 2.6 a product is small when 1/m + 1/n ≥ 0.0038.
constexpr double kReadInPlace = 0.0038;
constexpr int64_t kBadStrideOfA = 256, kBadStrideOfB = 512;
constexpr int64_t kWorthACopy = 64;  // uses of each element
constexpr int64_t kPadding = 16;

bool IsSmall(int64_t m, int64_t n) {
  return 1.0 / static_cast<double>(m) + 1.0 / static_cast<double>(n) >= kReadInPlace;
}

template <typename T>
void FillRows(int64_t m, int64_t n, T* c, int64_t stride) {
  for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * stride, n, T(0));
}

template <typename T>
const T* TileOf(const T* operand, bool transposed, int64_t stride, int64_t row, int64_t column) {
  return transposed ? operand + column * stride + row : operand + row * stride + column;
}

}  // namespace

GemmTiles PlanTiles(const GemmShape& shape) {
  GemmTiles tiles;
  const int64_t target = std::clamp<int64_t>(static_cast<int64_t>(shape.operations() / kTileOperations), 1, kMostTiles);
  if (target == 1) return tiles;
  if (shape.m * shape.n <= (int64_t{1} << 17) && shape.k >= 4 * kLeastDepth) {
    tiles.depth = std::min({kMostPartials, target, shape.k / kLeastDepth});
    return tiles;
  }
  tiles.rows = std::min(target, CeilDivide(shape.m, kTileSide));
  tiles.columns = std::min(CeilDivide(target, tiles.rows), CeilDivide(shape.n, kTileSide));
  return tiles;
}

template <typename T>
RestridedMatrix<T>::RestridedMatrix(GemmOperand operand, const T* data, int64_t rows, int64_t columns, int64_t stride)
    : data_(data), stride_(stride) {
  if (!std::is_same_v<T, float> || stride % (operand == GemmOperand::kTransposedA ? kBadStrideOfA : kBadStrideOfB) != 0)
    return;
  StreamScope on_the_cpu(Stream::Cpu());
  stride_ = columns + StridePadding(columns);
  copy_ = Array::Empty({rows, stride_}, DTypeOf<T>::value);
  T* to = copy_.data<T>();
  data_ = to;
  ParallelFor(rows, std::max<int64_t>(1, (1 << 15) / columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) std::copy_n(data + row * stride, columns, to + row * stride_);
  });
}
template class RestridedMatrix<float>;
template class RestridedMatrix<double>;

int64_t StridePadding(int64_t columns) { return columns % kBadStrideOfA == 0 ? kPadding : 0; }

template <>
void SerialGemm(const GemmShape& shape, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                bool accumulate, float* c, int64_t c_stride) {
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) {
    if (!accumulate) FillRows(shape.m, shape.n, c, c_stride);
    return;
  }
  std::optional<RestridedMatrix<float>> other_a, other_b;
  if (IsSmall(shape.m, shape.n)) {
    if (shape.transpose_a && shape.n >= kWorthACopy) {
      other_a.emplace(GemmOperand::kTransposedA, a, shape.k, shape.m, a_stride);
      a = other_a->data(), a_stride = other_a->stride();
    }
    if (!shape.transpose_b && shape.m >= kWorthACopy) {
      other_b.emplace(GemmOperand::kPlainB, b, shape.k, shape.n, b_stride);
      b = other_b->data(), b_stride = other_b->stride();
    }
  }
  UseOneOpenMpThread();
  CheckOneDnn("Gemm", dnnl_sgemm(shape.transpose_a ? 'T' : 'N', shape.transpose_b ? 'T' : 'N', shape.m, shape.n,
                                 shape.k, 1.0f, a, a_stride, b, b_stride, accumulate ? 1.0f : 0.0f, c, c_stride));
}

template <>
void SerialGemm(const GemmShape& shape, const double* a, int64_t a_stride, const double* b, int64_t b_stride,
                bool accumulate, double* c, int64_t c_stride) {
  const auto stored_a =
      shape.transpose_a ? AsMatrix(a, shape.k, shape.m, a_stride) : AsMatrix(a, shape.m, shape.k, a_stride);
  const auto stored_b =
      shape.transpose_b ? AsMatrix(b, shape.n, shape.k, b_stride) : AsMatrix(b, shape.k, shape.n, b_stride);
  auto result = AsMatrix(c, shape.m, shape.n, c_stride);
  if (!accumulate) result.setZero();
  if (shape.transpose_a && shape.transpose_b) {
    result.noalias() += stored_a.transpose() * stored_b.transpose();
  } else if (shape.transpose_a) {
    result.noalias() += stored_a.transpose() * stored_b;
  } else if (shape.transpose_b) {
    result.noalias() += stored_a * stored_b.transpose();
  } else {
    result.noalias() += stored_a * stored_b;
  }
}

template <typename T>
void ParallelGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                  T* c, int64_t c_stride) {
  const GemmTiles tiles = PlanTiles(shape);
  const int64_t pieces = tiles.rows * tiles.columns * tiles.depth;
  if (pieces == 1) {
    SerialGemm(shape, a, a_stride, b, b_stride, accumulate, c, c_stride);
    return;
  }
  std::optional<RestridedMatrix<T>> other_a, other_b;
  if (shape.transpose_a) {
    other_a.emplace(GemmOperand::kTransposedA, a, shape.k, shape.m, a_stride);
    a = other_a->data(), a_stride = other_a->stride();
  }
  if (!shape.transpose_b) {
    other_b.emplace(GemmOperand::kPlainB, b, shape.k, shape.n, b_stride);
    b = other_b->data(), b_stride = other_b->stride();
  }
  // Multiples of 16 keep full vectors inside a tile.
  const int64_t rows = CeilDivide(CeilDivide(shape.m, tiles.rows), 16) * 16,
                columns = CeilDivide(CeilDivide(shape.n, tiles.columns), 16) * 16;
  if (tiles.depth == 1) {
    ParallelPieces(pieces, [&](int64_t piece) {
      const int64_t row = piece / tiles.columns * rows, column = piece % tiles.columns * columns;
      if (row >= shape.m || column >= shape.n) return;
      const GemmShape tile{std::min(rows, shape.m - row), std::min(columns, shape.n - column), shape.k,
                           shape.transpose_a, shape.transpose_b};
      SerialGemm(tile, TileOf(a, shape.transpose_a, a_stride, row, 0), a_stride,
                 TileOf(b, shape.transpose_b, b_stride, 0, column), b_stride, accumulate, c + row * c_stride + column,
                 c_stride);
    });
    return;
  }
  const int64_t size = shape.m * shape.n;
  StreamScope on_the_cpu(Stream::Cpu());
  Array partial = Array::Empty({tiles.depth, size}, DTypeOf<T>::value);
  T* sums = partial.data<T>();
  ParallelPieces(tiles.depth, [&](int64_t piece) {
    const int64_t begin = shape.k * piece / tiles.depth, end = shape.k * (piece + 1) / tiles.depth;
    const GemmShape slice{shape.m, shape.n, end - begin, shape.transpose_a, shape.transpose_b};
    SerialGemm(slice, TileOf(a, shape.transpose_a, a_stride, 0, begin), a_stride,
               TileOf(b, shape.transpose_b, b_stride, begin, 0), b_stride, false, sums + piece * size, shape.n);
  });
  ParallelFor(shape.m, std::max<int64_t>(1, (1 << 12) / shape.n), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* out = c + row * c_stride;
      if (!accumulate) std::fill_n(out, shape.n, T(0));
      for (int64_t piece = 0; piece < tiles.depth; ++piece) {
        const T* from = sums + piece * size + row * shape.n;
        for (int64_t j = 0; j < shape.n; ++j) out[j] += from[j];
      }
    }
  });
}

template void ParallelGemm(const GemmShape&, const float*, int64_t, const float*, int64_t, bool, float*, int64_t);
template void ParallelGemm(const GemmShape&, const double*, int64_t, const double*, int64_t, bool, double*, int64_t);

}  // namespace autograd::cpu
