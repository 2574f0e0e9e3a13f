#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/gemm.h"
#include "autograd/cpu/onednn.h"
#include "autograd/ops/attention_heads.h"
#include "autograd/ops/attention_kernels.h"
#include "autograd/ops/lanes_cpu.h"
#include "autograd/runtime/math.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

// A tile of scores stays in the second-level cache beside its operands.
constexpr int64_t kQueryTile = 64, kKeyTile = 256;

// One axis cut into tiles of nearly equal size, by its extent alone.
struct Tiles {
  Tiles(int64_t extent_value, int64_t largest) : extent(extent_value) {
    count = (extent + largest - 1) / largest;
    size = count == 0 ? 0 : (extent + count - 1) / count;
  }
  int64_t begin(int64_t tile) const { return tile * size; }
  int64_t length(int64_t tile) const { return std::min(extent, (tile + 1) * size) - tile * size; }
  int64_t extent, count, size;
};

// scores [rows, columns] = q·kᵀ
template <typename T>
void Products(const HeadMatrices<const T>& q, const HeadMatrices<const T>& k, int64_t index, int64_t query,
              int64_t rows, int64_t key, int64_t columns, ComputeType<T>* scores) {
  SerialGemm({.m = rows, .n = columns, .k = q.width, .transpose_b = true}, q.at(index, query), q.stride(),
             k.at(index, key), k.stride(), false, scores, columns);
}

// A tile of scores and of their gradients, which are computed in Value and multiplied as T.
template <typename T>
class Tile {
 public:
  using Value = ComputeType<T>;
  Value* values() { return values_.data(); }
  // The first `count` values as operands of a product.
  const T* Operand(int64_t count) {
    if constexpr (std::is_same_v<T, Value>) {
      return values_.data();
    } else {
      rounded_.resize(kQueryTile * kKeyTile);
      for (int64_t i = 0; i < count; ++i) rounded_[i] = static_cast<T>(values_[i]);
      return rounded_.data();
    }
  }

 private:
  std::vector<Value> values_ = std::vector<Value>(kQueryTile * kKeyTile);
  std::vector<T> rounded_;
};

// The running softmax: rescales what was summed so far whenever a larger score appears.
template <typename T>
void ForwardTile(const HeadMatrices<const T>& q, const HeadMatrices<const T>& k, const HeadMatrices<const T>& v,
                 ComputeType<T> scale, int64_t index, int64_t query, int64_t rows, Tile<T>& scores,
                 const HeadMatrices<ComputeType<T>>& y, ComputeType<T>* log_sums) {
  using Value = ComputeType<T>;
  const Tiles keys(k.tokens, kKeyTile);
  Value largest[kQueryTile], sums[kQueryTile];
  std::fill_n(largest, rows, -std::numeric_limits<Value>::infinity());
  std::fill_n(sums, rows, Value(0));
  for (int64_t tile = 0; tile < keys.count; ++tile) {
    const int64_t columns = keys.length(tile);
    Products(q, k, index, query, rows, keys.begin(tile), columns, scores.values());
    for (int64_t r = 0; r < rows; ++r) {
      Value* const row = scores.values() + r * columns;
      for (int64_t c = 0; c < columns; ++c) row[c] *= scale;
      const Value next = MaxLanes<Value>(columns, largest[r], [row](int64_t c) { return row[c]; });
      for (int64_t c = 0; c < columns; ++c) row[c] = math::Exp(row[c] - next);
      const Value sum = SumLanes<Value>(columns, [row](int64_t c) { return row[c]; });
      if (tile > 0 && next > largest[r]) {
        const Value correction = math::Exp(largest[r] - next);
        Value* const summed = y.at(index, query + r);
        for (int64_t c = 0; c < v.width; ++c) summed[c] *= correction;
        sums[r] *= correction;
      }
      largest[r] = next;
      sums[r] += sum;
    }
    SerialGemm({.m = rows, .n = v.width, .k = columns}, scores.Operand(rows * columns), columns,
               v.at(index, keys.begin(tile)), v.stride(), tile > 0, y.at(index, query), y.stride());
  }
  for (int64_t r = 0; r < rows; ++r) {
    Value* const row = y.at(index, query + r);
    const Value inverse = Value(1) / sums[r];
    for (int64_t c = 0; c < v.width; ++c) row[c] *= inverse;
    log_sums[index * q.tokens + query + r] = largest[r] + math::Log(sums[r]);
  }
}

template <typename T>
void Forward(const Array& q, const Array& k, const Array& v, double scale, Array& y, Array& log_sums) {
  using Value = ComputeType<T>;
  const HeadMatrices<const T> queries = Matrices<T>(q), keys = Matrices<T>(k), values = Matrices<T>(v);
  const HeadMatrices<Value> result = MutableMatrices<Value>(y);
  Value* const sums = log_sums.data<Value>();
  const Tiles tiles(queries.tokens, kQueryTile);
  ParallelFor(q.shape()[0] * queries.heads * tiles.count, 1, [&](int64_t begin, int64_t end) {
    Tile<T> scores;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t tile = task % tiles.count;
      ForwardTile(queries, keys, values, static_cast<Value>(scale), task / tiles.count, tiles.begin(tile),
                  tiles.length(tile), scores, result, sums);
    }
  });
}

template <typename T>
struct GradientOperands {
  using Value = ComputeType<T>;
  HeadMatrices<const T> q, k, v, dy;
  const Value* log_sums;
  const Value* inner;  // Σ y·dy of each row
  Value scale;
  HeadMatrices<Value> dq, dk, dv;
};

enum class Side { kBoth, kQueries, kKeys };

// The share of one tile of pairs, added to dq (unless it is the first key tile) and dk, dv (unless the first
// query tile): with p = exp(scale·q·kᵀ − log_sums) and ds = scale·p·(dy·vᵀ − inner), dq = ds·k, dk = dsᵀ·q,
// dv = pᵀ·dy.
template <typename T>
void GradientTile(const GradientOperands<T>& a, Side side, int64_t index, int64_t query, int64_t rows, int64_t key,
                  int64_t columns, Tile<T>& p, Tile<T>& ds) {
  using Value = ComputeType<T>;
  const bool wants_dq = side != Side::kKeys && a.dq.data != nullptr;
  const bool wants_dk = side != Side::kQueries && a.dk.data != nullptr;
  const bool wants_dv = side != Side::kQueries && a.dv.data != nullptr;
  if (!wants_dq && !wants_dk && !wants_dv) return;
  Products(a.q, a.k, index, query, rows, key, columns, p.values());
  if (wants_dq || wants_dk) Products(a.dy, a.v, index, query, rows, key, columns, ds.values());
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t position = index * a.q.tokens + query + r;
    const Value log_sum = a.log_sums[position], inner = a.inner[position], scale = a.scale;
    Value* const p_row = p.values() + r * columns;
    Value* const ds_row = ds.values() + r * columns;
    for (int64_t c = 0; c < columns; ++c) p_row[c] = math::Exp(scale * p_row[c] - log_sum);
    if (!wants_dq && !wants_dk) continue;
    for (int64_t c = 0; c < columns; ++c) ds_row[c] = scale * p_row[c] * (ds_row[c] - inner);
  }
  if (wants_dv) {
    SerialGemm({.m = columns, .n = a.v.width, .k = rows, .transpose_a = true}, p.Operand(rows * columns), columns,
               a.dy.at(index, query), a.dy.stride(), query > 0, a.dv.at(index, key), a.dv.stride());
  }
  if (!wants_dq && !wants_dk) return;
  const T* const gradient = ds.Operand(rows * columns);
  if (wants_dk) {
    SerialGemm({.m = columns, .n = a.k.width, .k = rows, .transpose_a = true}, gradient, columns, a.q.at(index, query),
               a.q.stride(), query > 0, a.dk.at(index, key), a.dk.stride());
  }
  if (wants_dq) {
    SerialGemm({.m = rows, .n = a.q.width, .k = columns}, gradient, columns, a.k.at(index, key), a.k.stride(), key > 0,
               a.dq.at(index, query), a.dq.stride());
  }
}

// Every sum runs over its tiles in ascending order, whoever computes it: with many images and heads one task
// takes a whole matrix; with few, one pass over query tiles makes dq and one over key tiles dk and dv, at the
// price of the scores twice. The bits are the same.
template <typename T>
void Gradient(const Array& q, const Array& k, const Array& v, const Array& y, const Array& log_sums, const Array& dy,
              double scale, Array& dq, Array& dk, Array& dv) {
  using Value = ComputeType<T>;
  GradientOperands<T> a{Matrices<T>(q),
                        Matrices<T>(k),
                        Matrices<T>(v),
                        Matrices<T>(dy),
                        log_sums.data<Value>(),
                        nullptr,
                        static_cast<Value>(scale),
                        MutableMatrices<Value>(dq),
                        MutableMatrices<Value>(dk),
                        MutableMatrices<Value>(dv)};
  const int64_t matrices = q.shape()[0] * a.q.heads, width = a.v.width;
  const HeadMatrices<const T> result = Matrices<T>(y);
  std::vector<Value> inner(matrices * a.q.tokens);
  ParallelFor(matrices * a.q.tokens, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, width)),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const T* const y_row = result.at(i / a.q.tokens, i % a.q.tokens);
                  const T* const dy_row = a.dy.at(i / a.q.tokens, i % a.q.tokens);
                  inner[i] = SumLanes<Value>(
                      width, [=](int64_t c) { return static_cast<Value>(y_row[c]) * static_cast<Value>(dy_row[c]); });
                }
              });
  a.inner = inner.data();

  const Tiles queries(a.q.tokens, kQueryTile), keys(a.k.tokens, kKeyTile);
  if (queries.count == 0) {
    for (Array* gradient : {&dk, &dv}) {
      if (gradient->defined()) Fill(Stream::Cpu(), *gradient, 0);
    }
    return;
  }
  auto run = [&](int64_t tasks, Side side, const auto& for_each_pair) {
    ParallelFor(tasks, 1, [&](int64_t begin, int64_t end) {
      Tile<T> p, ds;
      for (int64_t task = begin; task < end; ++task) {
        for_each_pair(task, [&](int64_t index, int64_t i, int64_t j) {
          GradientTile(a, side, index, queries.begin(i), queries.length(i), keys.begin(j), keys.length(j), p, ds);
        });
      }
    });
  };
  if (matrices >= 4 * ThreadCount() || matrices % ThreadCount() == 0) {
    run(matrices, Side::kBoth, [&](int64_t task, const auto& pair) {
      for (int64_t j = 0; j < keys.count; ++j) {
        for (int64_t i = 0; i < queries.count; ++i) pair(task, i, j);
      }
    });
    return;
  }
  run(matrices * queries.count, Side::kQueries, [&](int64_t task, const auto& pair) {
    for (int64_t j = 0; j < keys.count; ++j) pair(task / queries.count, task % queries.count, j);
  });
  run(matrices * keys.count, Side::kKeys, [&](int64_t task, const auto& pair) {
    for (int64_t i = 0; i < queries.count; ++i) pair(task / keys.count, i, task % keys.count);
  });
}

template <typename T>
void Probabilities(const Array& q, const Array& k, const Array& log_sums, double scale, Array& probabilities) {
  const HeadMatrices<const T> queries = Matrices<T>(q), keys = Matrices<T>(k);
  const Tiles tiles(queries.tokens, kQueryTile);
  using Value = ComputeType<T>;
  const Value factor = static_cast<Value>(scale);
  const Value* const sums = log_sums.data<Value>();
  Value* const out = probabilities.data<Value>();
  ParallelFor(q.shape()[0] * queries.heads * tiles.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / tiles.count, query = tiles.begin(task % tiles.count),
                    rows = tiles.length(task % tiles.count);
      const int64_t first = index * queries.tokens + query;
      Products(queries, keys, index, query, rows, 0, keys.tokens, out + first * keys.tokens);
      for (int64_t r = first; r < first + rows; ++r) {
        Value* const row = out + r * keys.tokens;
        for (int64_t c = 0; c < keys.tokens; ++c) row[c] = math::Exp(factor * row[c] - sums[r]);
      }
    }
  });
}

// Calls run.operator()<T>() for the type T in which operands of `dtype` are multiplied. bfloat16 operands are whole
// float32 copies where the CPU does not multiply bfloat16; results in bfloat16 are added up in float32 everywhere.
template <typename Run>
void VisitMultiplied(const char* operation, DType dtype, const Run& run) {
  VisitFloating(operation, dtype, [&]<typename T>(T) {
    if (std::is_same_v<T, BFloat16> && !OneDnnHasBFloat16()) return run.template operator()<float>();
    run.template operator()<T>();
  });
}
template <typename T>
Array Operand(Stream& stream, const Array& x) {
  return x.dtype() == DTypeOf<T>::value ? x : Float32Copy(stream, x);
}

class Result {
 public:
  Result(Stream& stream, Array& target) : stream_(stream), target_(target), computed_(target) {
    if (rounds()) computed_ = Array::Empty(target.shape(), kFloat32);
  }
  Array& computed() { return computed_; }
  void Store() {
    if (rounds()) Convert(stream_, computed_, target_);
  }

 private:
  bool rounds() const { return target_.defined() && target_.dtype() == kBFloat16; }
  Stream& stream_;
  Array& target_;
  Array computed_;
};

}  // namespace

void AttentionForward(Stream& stream, const Array& q, const Array& k, const Array& v, double scale, Array& y,
                      Array& log_sums) {
  Result result(stream, y);
  VisitMultiplied("AttentionForward", q.dtype(), [&]<typename T>() {
    Forward<T>(Operand<T>(stream, q), Operand<T>(stream, k), Operand<T>(stream, v), scale, result.computed(), log_sums);
  });
  result.Store();
}

void AttentionProbabilities(Stream& stream, const Array& q, const Array& k, const Array& log_sums, double scale,
                            Array& probabilities) {
  Result result(stream, probabilities);
  VisitMultiplied("AttentionProbabilities", q.dtype(), [&]<typename T>() {
    Probabilities<T>(Operand<T>(stream, q), Operand<T>(stream, k), log_sums, scale, result.computed());
  });
  result.Store();
}

void AttentionGradient(Stream& stream, const Array& q, const Array& k, const Array& v, const Array& y,
                       const Array& log_sums, const Array& dy, double scale, Array& dq, Array& dk, Array& dv) {
  Result results[] = {{stream, dq}, {stream, dk}, {stream, dv}};
  VisitMultiplied("AttentionGradient", q.dtype(), [&]<typename T>() {
    Gradient<T>(Operand<T>(stream, q), Operand<T>(stream, k), Operand<T>(stream, v), Operand<T>(stream, y), log_sums,
                Operand<T>(stream, dy), scale, results[0].computed(), results[1].computed(), results[2].computed());
  });
  for (Result& result : results) result.Store();
}

}  // namespace autograd::cpu
