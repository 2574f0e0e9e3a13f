#include <algorithm>
#include <limits>
#include <vector>

#include "autograd/core/array_kernels.h"
#include "autograd/cpu/float32_copy.h"
#include "autograd/cpu/gemm.h"
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
              int64_t rows, int64_t key, int64_t columns, T* scores) {
  SerialGemm<T>({.m = rows, .n = columns, .k = q.width, .transpose_b = true}, q.at(index, query), q.stride(),
                k.at(index, key), k.stride(), false, scores, columns);
}

// The running softmax: rescales what was summed so far whenever a larger score appears.
template <typename T>
void ForwardTile(const HeadMatrices<const T>& q, const HeadMatrices<const T>& k, const HeadMatrices<const T>& v,
                 T scale, int64_t index, int64_t query, int64_t rows, std::vector<T>& scores, const HeadMatrices<T>& y,
                 T* log_sums) {
  const Tiles keys(k.tokens, kKeyTile);
  T largest[kQueryTile], sums[kQueryTile];
  std::fill_n(largest, rows, -std::numeric_limits<T>::infinity());
  std::fill_n(sums, rows, T(0));
  for (int64_t tile = 0; tile < keys.count; ++tile) {
    const int64_t columns = keys.length(tile);
    Products(q, k, index, query, rows, keys.begin(tile), columns, scores.data());
    for (int64_t r = 0; r < rows; ++r) {
      T* const row = scores.data() + r * columns;
      for (int64_t c = 0; c < columns; ++c) row[c] *= scale;
      const T next = MaxLanes<T>(columns, largest[r], [row](int64_t c) { return row[c]; });
      for (int64_t c = 0; c < columns; ++c) row[c] = math::Exp(row[c] - next);
      const T sum = SumLanes<T>(columns, [row](int64_t c) { return row[c]; });
      if (tile > 0 && next > largest[r]) {
        const T correction = math::Exp(largest[r] - next);
        T* const summed = y.at(index, query + r);
        for (int64_t c = 0; c < v.width; ++c) summed[c] *= correction;
        sums[r] *= correction;
      }
      largest[r] = next;
      sums[r] += sum;
    }
    SerialGemm<T>({.m = rows, .n = v.width, .k = columns}, scores.data(), columns, v.at(index, keys.begin(tile)),
                  v.stride(), tile > 0, y.at(index, query), y.stride());
  }
  for (int64_t r = 0; r < rows; ++r) {
    T* const row = y.at(index, query + r);
    const T inverse = T(1) / sums[r];
    for (int64_t c = 0; c < v.width; ++c) row[c] *= inverse;
    log_sums[index * q.tokens + query + r] = largest[r] + math::Log(sums[r]);
  }
}

template <typename T>
void Forward(const Array& q, const Array& k, const Array& v, double scale, Array& y, Array& log_sums) {
  const HeadMatrices<const T> queries = Matrices<T>(q), keys = Matrices<T>(k), values = Matrices<T>(v);
  const HeadMatrices<T> result = MutableMatrices<T>(y);
  T* const sums = log_sums.data<T>();
  const Tiles tiles(queries.tokens, kQueryTile);
  ParallelFor(q.shape()[0] * queries.heads * tiles.count, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> scores(kQueryTile * kKeyTile);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t tile = task % tiles.count;
      ForwardTile(queries, keys, values, static_cast<T>(scale), task / tiles.count, tiles.begin(tile),
                  tiles.length(tile), scores, result, sums);
    }
  });
}

template <typename T>
struct GradientOperands {
  HeadMatrices<const T> q, k, v, dy;
  const T* log_sums;
  const T* inner;  // Σ y·dy of each row
  T scale;
  HeadMatrices<T> dq, dk, dv;
};

enum class Side { kBoth, kQueries, kKeys };

// The share of one tile of pairs, added to dq (unless it is the first key tile) and dk, dv (unless the first
// query tile): with p = exp(scale·q·kᵀ − log_sums) and ds = scale·p·(dy·vᵀ − inner), dq = ds·k, dk = dsᵀ·q,
// dv = pᵀ·dy.
template <typename T>
void GradientTile(const GradientOperands<T>& a, Side side, int64_t index, int64_t query, int64_t rows, int64_t key,
                  int64_t columns, T* p, T* ds) {
  const bool wants_dq = side != Side::kKeys && a.dq.data != nullptr;
  const bool wants_dk = side != Side::kQueries && a.dk.data != nullptr;
  const bool wants_dv = side != Side::kQueries && a.dv.data != nullptr;
  if (!wants_dq && !wants_dk && !wants_dv) return;
  Products(a.q, a.k, index, query, rows, key, columns, p);
  if (wants_dq || wants_dk) Products(a.dy, a.v, index, query, rows, key, columns, ds);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t position = index * a.q.tokens + query + r;
    const T log_sum = a.log_sums[position], inner = a.inner[position], scale = a.scale;
    T* const p_row = p + r * columns;
    T* const ds_row = ds + r * columns;
    for (int64_t c = 0; c < columns; ++c) p_row[c] = math::Exp(scale * p_row[c] - log_sum);
    if (!wants_dq && !wants_dk) continue;
    for (int64_t c = 0; c < columns; ++c) ds_row[c] = scale * p_row[c] * (ds_row[c] - inner);
  }
  if (wants_dv) {
    SerialGemm<T>({.m = columns, .n = a.v.width, .k = rows, .transpose_a = true}, p, columns, a.dy.at(index, query),
                  a.dy.stride(), query > 0, a.dv.at(index, key), a.dv.stride());
  }
  if (wants_dk) {
    SerialGemm<T>({.m = columns, .n = a.k.width, .k = rows, .transpose_a = true}, ds, columns, a.q.at(index, query),
                  a.q.stride(), query > 0, a.dk.at(index, key), a.dk.stride());
  }
  if (wants_dq) {
    SerialGemm<T>({.m = rows, .n = a.q.width, .k = columns}, ds, columns, a.k.at(index, key), a.k.stride(), key > 0,
                  a.dq.at(index, query), a.dq.stride());
  }
}

// Every sum runs over its tiles in ascending order, whoever computes it: with many images and heads one task
// takes a whole matrix; with few, one pass over query tiles makes dq and one over key tiles dk and dv, at the
// price of the scores twice. The bits are the same.
template <typename T>
void Gradient(const Array& q, const Array& k, const Array& v, const Array& y, const Array& log_sums, const Array& dy,
              double scale, Array& dq, Array& dk, Array& dv) {
  GradientOperands<T> a{
      Matrices<T>(q), Matrices<T>(k),        Matrices<T>(v),         Matrices<T>(dy),        log_sums.data<T>(),
      nullptr,        static_cast<T>(scale), MutableMatrices<T>(dq), MutableMatrices<T>(dk), MutableMatrices<T>(dv)};
  const int64_t matrices = q.shape()[0] * a.q.heads, width = a.v.width;
  const HeadMatrices<const T> result = Matrices<T>(y);
  std::vector<T> inner(matrices * a.q.tokens);
  ParallelFor(matrices * a.q.tokens, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, width)),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) {
                  const T* const y_row = result.at(i / a.q.tokens, i % a.q.tokens);
                  const T* const dy_row = a.dy.at(i / a.q.tokens, i % a.q.tokens);
                  inner[i] = SumLanes<T>(width, [=](int64_t c) { return y_row[c] * dy_row[c]; });
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
      std::vector<T> p(kQueryTile * kKeyTile), ds(kQueryTile * kKeyTile);
      for (int64_t task = begin; task < end; ++task) {
        for_each_pair(task, [&](int64_t index, int64_t i, int64_t j) {
          GradientTile(a, side, index, queries.begin(i), queries.length(i), keys.begin(j), keys.length(j), p.data(),
                       ds.data());
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
  const T factor = static_cast<T>(scale);
  const T* const sums = log_sums.data<T>();
  T* const out = probabilities.data<T>();
  ParallelFor(q.shape()[0] * queries.heads * tiles.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t index = task / tiles.count, query = tiles.begin(task % tiles.count),
                    rows = tiles.length(task % tiles.count);
      const int64_t first = index * queries.tokens + query;
      Products(queries, keys, index, query, rows, 0, keys.tokens, out + first * keys.tokens);
      for (int64_t r = first; r < first + rows; ++r) {
        T* const row = out + r * keys.tokens;
        for (int64_t c = 0; c < keys.tokens; ++c) row[c] = math::Exp(factor * row[c] - sums[r]);
      }
    }
  });
}

// bfloat16 operands are computed as whole float32 copies.
Array Operand(Stream& stream, const Array& x) { return x.dtype() == kBFloat16 ? Float32Copy(stream, x) : x; }

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
  VisitFloating("AttentionForward", q.dtype(), [&]<typename T>(T) {
    Forward<ComputeType<T>>(Operand(stream, q), Operand(stream, k), Operand(stream, v), scale, result.computed(),
                            log_sums);
  });
  result.Store();
}

void AttentionProbabilities(Stream& stream, const Array& q, const Array& k, const Array& log_sums, double scale,
                            Array& probabilities) {
  Result result(stream, probabilities);
  VisitFloating("AttentionProbabilities", q.dtype(), [&]<typename T>(T) {
    Probabilities<ComputeType<T>>(Operand(stream, q), Operand(stream, k), log_sums, scale, result.computed());
  });
  result.Store();
}

void AttentionGradient(Stream& stream, const Array& q, const Array& k, const Array& v, const Array& y,
                       const Array& log_sums, const Array& dy, double scale, Array& dq, Array& dk, Array& dv) {
  Result results[] = {{stream, dq}, {stream, dk}, {stream, dv}};
  VisitFloating("AttentionGradient", q.dtype(), [&]<typename T>(T) {
    Gradient<ComputeType<T>>(Operand(stream, q), Operand(stream, k), Operand(stream, v), Operand(stream, y), log_sums,
                             Operand(stream, dy), scale, results[0].computed(), results[1].computed(),
                             results[2].computed());
  });
  for (Result& result : results) result.Store();
}

}  // namespace autograd::cpu
