#pragma once

// Reductions over a row with explicit lanes: without -ffast-math the compiler may not reorder a sum, so the order is
// written down, one that vectorises and depends on the length alone.

#include <array>
#include <cstdint>

namespace autograd::cpu {

// combine(…combine(initial, term(0))…, term(count − 1)) in 32 interleaved lanes, folded pairwise at the end.
template <typename Value, typename Term, typename Combine>
inline Value ReduceLanes(int64_t count, Value initial, const Term& term, const Combine& combine) {
  constexpr int kWide = 32, kNarrow = 8;
  Value narrow[kNarrow];
  for (int lane = 0; lane < kNarrow; ++lane) narrow[lane] = initial;
  int64_t i = 0;
  if (count >= 4 * kWide) {
    Value wide[kWide];
    for (int lane = 0; lane < kWide; ++lane) wide[lane] = initial;
    for (; i + kWide <= count; i += kWide) {
      for (int lane = 0; lane < kWide; ++lane) wide[lane] = combine(wide[lane], term(i + lane));
    }
    for (int lane = 0; lane < kNarrow; ++lane) {
      narrow[lane] = combine(combine(wide[lane], wide[lane + 16]), combine(wide[lane + 8], wide[lane + 24]));
    }
  }
  for (; i + kNarrow <= count; i += kNarrow) {
    for (int lane = 0; lane < kNarrow; ++lane) narrow[lane] = combine(narrow[lane], term(i + lane));
  }
  Value result = combine(combine(combine(narrow[0], narrow[4]), combine(narrow[2], narrow[6])),
                         combine(combine(narrow[1], narrow[5]), combine(narrow[3], narrow[7])));
  for (; i < count; ++i) result = combine(result, term(i));
  return result;
}

// Σ term(i) for i in [0, count).
template <typename Value, typename Term>
inline Value SumLanes(int64_t count, const Term& term) {
  return ReduceLanes(count, Value(0), term, [](Value a, Value b) { return a + b; });
}

// Two sums at once, of the values that term(i) returns as a std::array: short rows leave the adders idle with one.
template <typename Value, typename Term>
inline std::array<Value, 2> SumLanesOfTwo(int64_t count, const Term& term) {
  constexpr int kLanes = 16;
  Value first[kLanes] = {}, second[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::array<Value, 2> values = term(i + lane);
      first[lane] += values[0];
      second[lane] += values[1];
    }
  }
  for (int lane = 0; i < count; ++i, ++lane) {
    const std::array<Value, 2> values = term(i);
    first[lane] += values[0];
    second[lane] += values[1];
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) {
      first[lane] += first[lane + half];
      second[lane] += second[lane + half];
    }
  }
  return {first[0], second[0]};
}

// The largest term, at least `lowest`.
template <typename Value, typename Term>
inline Value MaxLanes(int64_t count, Value lowest, const Term& term) {
  return ReduceLanes(count, lowest, term, [](Value a, Value b) { return a < b ? b : a; });
}

}  // namespace autograd::cpu
