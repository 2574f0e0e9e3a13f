#include "autograd/cpu/gemm.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "autograd/core/array.h"
#include "autograd/cpu/eigen_maps.h"
#include "autograd/cpu/onednn.h"
#include "autograd/runtime/ceil_divide.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// Smaller tiles than these lose more to packing than a further core wins, unless it is the only other one.
constexpr int64_t kTileSide = 256, kLeastTileSide = 64;
constexpr double kTileOperations = 16e6, kWorthTwoTiles = 6e6;
constexpr int64_t kMostTiles = 64;
// A partial sum over fewer rows costs as much to add up as to compute.
constexpr int64_t kLeastDepth = 1024;
constexpr int64_t kMostPartials = 16;
constexpr int64_t kColumnsAtOnce = 128;  // of a row of partial sums
// Of products with a kept weight, which need no packing.
constexpr int64_t kKeptTileSide = 128;
constexpr double kKeptTileOperations = 6e6, kWorthTwoKeptTiles = 3e6;

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
  for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * stride, n, T(0.0f));
}

// What an epilogue makes of a sum without terms, in column j.
float OfNothing(const BFloat16Epilogue& epilogue, int64_t j) {
  const float value = epilogue.bias == nullptr ? 0.0f : static_cast<float>(epilogue.bias[j]);
  return epilogue.relu && value < 0 ? 0.0f : value;
}

// A matrix [rows, columns] as oneDNN sees it, stored transposed or not.
template <typename T>
dnnl::memory::desc Matrix(int64_t rows, int64_t columns, bool transposed, int64_t stride) {
  return {{rows, columns}, OneDnnType<T>(), transposed ? dnnl::memory::dims{1, stride} : dnnl::memory::dims{stride, 1}};
}

dnnl::primitive_attr EpilogueAttributes(bool accumulate, bool relu) {
  dnnl::primitive_attr attributes = UserScratchpad();
  dnnl::post_ops after;
  if (accumulate) after.append_sum(1.0f);
  if (relu) after.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attributes.set_post_ops(after);
  return attributes;
}

OneDnnPrimitive MatMulPrimitive(const dnnl::memory::desc& left, const dnnl::memory::desc& right,
                                const dnnl::memory::desc* bias, const dnnl::memory::desc& result,
                                const dnnl::primitive_attr& attributes) {
  const dnnl::matmul::desc operation =
      bias != nullptr ? dnnl::matmul::desc(left, right, *bias, result) : dnnl::matmul::desc(left, right, result);
  const dnnl::matmul::primitive_desc description(operation, attributes, OneDnnEngine());
  return OneDnnPrimitive{dnnl::matmul(description), description.weights_desc(), description.scratchpad_desc(),
                         description.impl_info_str()};
}

// [m, k] · [k, n] in the layout that oneDNN likes for the right one, into rows of `stride`.
template <typename T, typename Out>
std::shared_ptr<const OneDnnPrimitive> KeptMatMul(int64_t m, int64_t n, int64_t k, int64_t stride,
                                                  const BFloat16Epilogue& epilogue) {
  const bool has_bias = epilogue.bias != nullptr;
  return FindOrMakePrimitive(
      {static_cast<int64_t>(OneDnnOperation::kKeptMatMul), static_cast<int64_t>(DTypeOf<T>::value),
       static_cast<int64_t>(DTypeOf<Out>::value), has_bias, epilogue.relu, m, n, k, stride},
      [&] {
        const dnnl::memory::desc any({k, n}, OneDnnType<T>(), dnnl::memory::format_tag::any),
            bias = Matrix<BFloat16>(1, n, false, n);
        return MatMulPrimitive(Matrix<T>(m, k, false, k), any, has_bias ? &bias : nullptr,
                               Matrix<Out>(m, n, false, stride), EpilogueAttributes(false, epilogue.relu));
      });
}

template <typename Out>
void BFloat16Gemm(const GemmShape& shape, const BFloat16* a, int64_t a_stride, const BFloat16* b, int64_t b_stride,
                  bool accumulate, Out* c, int64_t c_stride, const BFloat16Epilogue& epilogue) {
  if (shape.m == 0 || shape.n == 0) return;
  const bool has_bias = epilogue.bias != nullptr;
  if (shape.k == 0) {
    if (accumulate) return;
    FillRows(shape.m, shape.n, c, c_stride);
    for (int64_t i = 0; i < shape.m && epilogue.any(); ++i)
      for (int64_t j = 0; j < shape.n; ++j) c[i * c_stride + j] = static_cast<Out>(OfNothing(epilogue, j));
    return;
  }
  const auto left = Matrix<BFloat16>(shape.m, shape.k, shape.transpose_a, a_stride),
             right = Matrix<BFloat16>(shape.k, shape.n, shape.transpose_b, b_stride),
             result = Matrix<Out>(shape.m, shape.n, false, c_stride),
             bias = Matrix<BFloat16>(1, shape.n, false, shape.n);
  const auto primitive = FindOrMakePrimitive(
      {static_cast<int64_t>(OneDnnOperation::kMatMul), static_cast<int64_t>(DTypeOf<Out>::value), accumulate, has_bias,
       epilogue.relu, shape.m, shape.n, shape.k, shape.transpose_a, shape.transpose_b, a_stride, b_stride, c_stride},
      [&] {
        return MatMulPrimitive(left, right, has_bias ? &bias : nullptr, result,
                               EpilogueAttributes(accumulate, epilogue.relu));
      });
  if (has_bias) {
    Execute(*primitive, {{DNNL_ARG_SRC, left, a},
                         {DNNL_ARG_WEIGHTS, right, b},
                         {DNNL_ARG_BIAS, bias, epilogue.bias},
                         {DNNL_ARG_DST, result, c}});
  } else {
    Execute(*primitive, {{DNNL_ARG_SRC, left, a}, {DNNL_ARG_WEIGHTS, right, b}, {DNNL_ARG_DST, result, c}});
  }
}

template <typename T>
const T* TileOf(const T* operand, bool transposed, int64_t stride, int64_t row, int64_t column) {
  return transposed ? operand + column * stride + row : operand + row * stride + column;
}

// How many tiles of `each` operations a product is worth, two from `two` operations on.
int64_t TilesWorth(const GemmShape& shape, double each, double two) {
  const auto tiles = static_cast<int64_t>(std::min<double>(shape.operations() / each, kMostTiles));
  return tiles < 2 && shape.operations() >= two ? 2 : EvenPieces(tiles);
}

// No more than `target` tiles of [m, n], an even number (EvenPieces), of sides of about `side`, or of kLeastTileSide
// and more where there would be one alone or a number that leaves threads idle at the end. Of the ways to cut into so
// many the one that packs least: each tile its rows and its columns.
GemmTiles CutInto(int64_t target, int64_t m, int64_t n, int64_t side) {
  if (target == 1) return {};
  const int64_t wanted = std::min(target, CeilDivide(m, side) * CeilDivide(n, side)),
                most_rows = std::max<int64_t>(1, m / kLeastTileSide),
                most_columns = std::max<int64_t>(1, n / kLeastTileSide);
  for (int64_t pieces = EvenPieces(wanted) == wanted ? std::max<int64_t>(2, wanted) : EvenPieces(wanted + 3);
       pieces > 1; pieces = EvenPieces(pieces - 1)) {
    GemmTiles best;
    int64_t least = 0;
    for (int64_t rows = 1; rows <= std::min(pieces, most_rows); ++rows) {
      const int64_t columns = pieces / rows, packed = columns * m + rows * n;
      if (rows * columns != pieces || columns > most_columns || (least > 0 && packed >= least)) continue;
      best = {rows, columns, 1};
      least = packed;
    }
    if (least > 0) return best;
  }
  return {};
}

}  // namespace

GemmTiles PlanTiles(const GemmShape& shape) {
  GemmTiles tiles;
  const int64_t target = TilesWorth(shape, kTileOperations, kWorthTwoTiles);
  if (target == 1) return tiles;
  if (shape.m * shape.n <= (int64_t{1} << 17) && shape.k >= 4 * kLeastDepth) {
    tiles.depth = EvenPieces(std::min({kMostPartials, target, shape.k / kLeastDepth}));
    return tiles;
  }
  return CutInto(target, shape.m, shape.n, kTileSide);
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
template class RestridedMatrix<BFloat16>;

int64_t StridePadding(int64_t columns) { return columns % kBadStrideOfA == 0 ? kPadding : 0; }

template <>
void SerialGemm(const GemmShape& shape, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                bool accumulate, float* c, int64_t c_stride, const BFloat16Epilogue&) {
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
                bool accumulate, double* c, int64_t c_stride, const BFloat16Epilogue&) {
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

template <>
void SerialGemm(const GemmShape& shape, const BFloat16* a, int64_t a_stride, const BFloat16* b, int64_t b_stride,
                bool accumulate, float* c, int64_t c_stride, const BFloat16Epilogue&) {
  BFloat16Gemm(shape, a, a_stride, b, b_stride, accumulate, c, c_stride, {});
}

template <>
void SerialGemm(const GemmShape& shape, const BFloat16* a, int64_t a_stride, const BFloat16* b, int64_t b_stride,
                bool accumulate, BFloat16* c, int64_t c_stride, const BFloat16Epilogue& epilogue) {
  Require(!accumulate, "Gemm", "a sum is not kept in bfloat16");
  BFloat16Gemm(shape, a, a_stride, b, b_stride, accumulate, c, c_stride, epilogue);
}

template <typename T, typename Out>
void ParallelGemm(const GemmShape& shape, const T* a, int64_t a_stride, const T* b, int64_t b_stride, bool accumulate,
                  Out* c, int64_t c_stride, const BFloat16Epilogue& epilogue) {
  constexpr bool kMayHaveEpilogue = std::is_same_v<Out, BFloat16>;
  Require(kMayHaveEpilogue || !epilogue.any(), "Gemm", "only a bfloat16 result has an epilogue");
  const GemmTiles tiles = PlanTiles(shape);
  const int64_t pieces = tiles.rows * tiles.columns * tiles.depth;
  if (pieces == 1) {
    SerialGemm(shape, a, a_stride, b, b_stride, accumulate, c, c_stride, epilogue);
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
                 c_stride, {epilogue.bias == nullptr ? nullptr : epilogue.bias + column, epilogue.relu});
    });
    return;
  }
  const int64_t size = shape.m * shape.n;
  StreamScope on_the_cpu(Stream::Cpu());
  using Sum = ComputeType<T>;
  Array partial = Array::Empty({tiles.depth, size}, DTypeOf<Sum>::value);
  Sum* sums = partial.data<Sum>();
  ParallelPieces(tiles.depth, [&](int64_t piece) {
    const int64_t begin = shape.k * piece / tiles.depth, end = shape.k * (piece + 1) / tiles.depth;
    const GemmShape slice{shape.m, shape.n, end - begin, shape.transpose_a, shape.transpose_b};
    SerialGemm(slice, TileOf(a, shape.transpose_a, a_stride, 0, begin), a_stride,
               TileOf(b, shape.transpose_b, b_stride, begin, 0), b_stride, false, sums + piece * size, shape.n);
  });
  ParallelFor(shape.m, std::max<int64_t>(1, (1 << 12) / shape.n), [&](int64_t begin, int64_t end) {
    Sum row[kColumnsAtOnce];
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t first = 0; first < shape.n; first += kColumnsAtOnce) {
        const int64_t columns = std::min(kColumnsAtOnce, shape.n - first);
        Out* out = c + i * c_stride + first;
        for (int64_t j = 0; j < columns; ++j) row[j] = accumulate ? static_cast<Sum>(out[j]) : Sum(0);
        for (int64_t piece = 0; piece < tiles.depth; ++piece) {
          const Sum* from = sums + piece * size + i * shape.n + first;
          for (int64_t j = 0; j < columns; ++j) row[j] += from[j];
        }
        if constexpr (kMayHaveEpilogue) {
          for (int64_t j = 0; j < columns && epilogue.bias != nullptr; ++j)
            row[j] += static_cast<Sum>(epilogue.bias[first + j]);
          for (int64_t j = 0; j < columns && epilogue.relu; ++j) row[j] = row[j] > 0 ? row[j] : 0;
        }
        for (int64_t j = 0; j < columns; ++j) out[j] = static_cast<Out>(row[j]);
      }
    }
  });
}

template <typename T, typename Out>
void KeptWeightGemm(int64_t m, int64_t n, int64_t k, const T* a, const T* b, WeightLayouts& layouts, Out* c,
                    const BFloat16Epilogue& epilogue) {
  const GemmShape shape{m, n, k, false, true};
  const GemmTiles plan = CutInto(TilesWorth(shape, kKeptTileOperations, kWorthTwoKeptTiles), m, n, kKeptTileSide);
  const int64_t rows = CeilDivide(CeilDivide(m, plan.rows), 16) * 16,
                columns = CeilDivide(CeilDivide(n, plan.columns), 16) * 16;
  struct Tile {
    int64_t row, column, rows, columns;
    std::shared_ptr<const OneDnnPrimitive> primitive;
    const void* weight;
  };
  std::vector<Tile> tiles;
  for (int64_t row = 0; row < m; row += rows) {
    for (int64_t column = 0; column < n; column += columns) {
      Tile tile{row, column, std::min(rows, m - row), std::min(columns, n - column), nullptr, nullptr};
      const auto stored = Matrix<T>(k, tile.columns, true, k);
      tile.primitive = KeptMatMul<T, Out>(tile.rows, tile.columns, k, n, epilogue);
      tile.weight = b + column * k;
      if (const auto& format = tile.primitive->weights; format != stored) {
        const std::vector<int64_t> key = {static_cast<int64_t>(DTypeOf<T>::value), k, tile.columns};
        std::vector<int64_t> own = key;
        own.push_back(column);
        AppendFormat(format, own);
        tile.weight = layouts.FindOrMake(own, [&] { return Reordered(stored, tile.weight, format, key); }).raw();
      }
      tiles.push_back(std::move(tile));
    }
  }
  ParallelPieces(static_cast<int64_t>(tiles.size()), [&](int64_t piece) {
    const Tile& tile = tiles[piece];
    const auto left = Matrix<T>(tile.rows, k, false, k), result = Matrix<Out>(tile.rows, tile.columns, false, n),
               bias = Matrix<BFloat16>(1, tile.columns, false, tile.columns);
    const OneDnnArgument source{DNNL_ARG_SRC, left, a + tile.row * k},
        weight{DNNL_ARG_WEIGHTS, tile.primitive->weights, tile.weight},
        product{DNNL_ARG_DST, result, c + tile.row * n + tile.column};
    if (epilogue.bias == nullptr) {
      Execute(*tile.primitive, {source, weight, product});
    } else {
      Execute(*tile.primitive, {source, weight, {DNNL_ARG_BIAS, bias, epilogue.bias + tile.column}, product});
    }
  });
}
template void KeptWeightGemm(int64_t, int64_t, int64_t, const float*, const float*, WeightLayouts&, float*,
                             const BFloat16Epilogue&);
template void KeptWeightGemm(int64_t, int64_t, int64_t, const BFloat16*, const BFloat16*, WeightLayouts&, float*,
                             const BFloat16Epilogue&);
template void KeptWeightGemm(int64_t, int64_t, int64_t, const BFloat16*, const BFloat16*, WeightLayouts&, BFloat16*,
                             const BFloat16Epilogue&);

template void ParallelGemm(const GemmShape&, const float*, int64_t, const float*, int64_t, bool, float*, int64_t,
                           const BFloat16Epilogue&);
template void ParallelGemm(const GemmShape&, const double*, int64_t, const double*, int64_t, bool, double*, int64_t,
                           const BFloat16Epilogue&);
template void ParallelGemm(const GemmShape&, const BFloat16*, int64_t, const BFloat16*, int64_t, bool, float*, int64_t,
                           const BFloat16Epilogue&);
template void ParallelGemm(const GemmShape&, const BFloat16*, int64_t, const BFloat16*, int64_t, bool, BFloat16*,
                           int64_t, const BFloat16Epilogue&);

}  // namespace autograd::cpu
