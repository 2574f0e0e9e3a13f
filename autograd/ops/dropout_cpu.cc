#include <algorithm>
#include <vector>

#include "autograd/ops/dropout_kernels.h"
#include "autograd/ops/dropout_units.h"
#include "autograd/runtime/parallel.h"

namespace autograd::cpu {
namespace {

constexpr int64_t kGrain = 1 << 14, kDraws = 64;

// factors[j] = kept or 0 for the units of draws first … first + count − 1.
template <typename Value>
void DrawFactors(RandomKey key, int64_t first, int64_t count, float rate, Value kept, Value* factors) {
  for (int64_t j = 0; j < count; ++j) {
    const PhiloxWords words = Philox(key, static_cast<uint64_t>(first + j));
    factors[4 * j] = UnitFactor(words.x, rate, kept);
    factors[4 * j + 1] = UnitFactor(words.y, rate, kept);
    factors[4 * j + 2] = UnitFactor(words.z, rate, kept);
    factors[4 * j + 3] = UnitFactor(words.w, rate, kept);
  }
}

// Calls put(index, factor) once for each element.
template <typename Value, typename Put>
void ForEachFactor(int64_t outer, int64_t repeated, int64_t inner, double rate, RandomKey key, int64_t first_unit,
                   const Put& put) {
  const Value factor = static_cast<Value>(1 / (1 - rate));
  const float threshold = static_cast<float>(rate);
  // The first draw may have been begun by units of another rank.
  const int64_t units = outer * inner, first_draw = first_unit / 4, begun = first_unit % 4,
                draws = (begun + units + 3) / 4;
  if (repeated == 1) {
    ParallelFor(draws, kGrain / 4, [=](int64_t begin, int64_t end) {
      Value factors[4 * kDraws];
      for (int64_t draw = begin; draw < end; draw += kDraws) {
        DrawFactors(key, first_draw + draw, std::min(kDraws, end - draw), threshold, factor, factors);
        const int64_t first = 4 * draw - begun, count = std::min({4 * kDraws, 4 * (end - draw), units - first});
        for (int64_t i = std::max<int64_t>(0, -first); i < count; ++i) put(first + i, factors[i]);
      }
    });
    return;
  }
  std::vector<Value> factors(4 * draws);
  ParallelFor(draws, kGrain / 4, [&](int64_t begin, int64_t end) {
    DrawFactors(key, first_draw + begin, end - begin, threshold, factor, factors.data() + 4 * begin);
  });
  const Value* const units_factors = factors.data() + begun;
  if (inner == 1) {
    ParallelFor(outer * repeated, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end;) {
        const int64_t o = first / repeated, last = std::min(end, (o + 1) * repeated);
        const Value unit = units_factors[o];
        for (int64_t i = first; i < last; ++i) put(i, unit);
        first = last;
      }
    });
    return;
  }
  ParallelFor(outer * repeated, std::max<int64_t>(1, kGrain / inner), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const Value* const unit = units_factors + r / repeated * inner;
      for (int64_t i = 0; i < inner; ++i) put(r * inner + i, unit[i]);
    }
  });
}

}  // namespace

void DropUnits(Stream&, const Array& x, const Array& addend, int64_t outer, int64_t repeated, int64_t inner,
               double rate, RandomKey key, int64_t first_unit, Array& y) {
  VisitFloating("Dropout", x.dtype(), [&]<typename T>(T) {
    using Value = ComputeType<T>;
    const T* const in = x.data<T>();
    T* const out = y.data<T>();
    const auto drop = [&](const auto& put) {
      ForEachFactor<Value>(outer, repeated, inner, rate, key.Now(), first_unit, put);
    };
    if (addend.defined()) {
      const T* const added = addend.data<T>();
      drop([=](int64_t i, Value factor) {
        out[i] = static_cast<T>(static_cast<Value>(added[i]) + Dropped(static_cast<Value>(in[i]), factor));
      });
    } else {
      drop([=](int64_t i, Value factor) { out[i] = static_cast<T>(Dropped(static_cast<Value>(in[i]), factor)); });
    }
  });
}

}  // namespace autograd::cpu
