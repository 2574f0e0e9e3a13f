#pragma once

// The transforms of Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray 2016, "Fast Algorithms for Convolutional
// Neural Networks", §4.1), a vector of channels at a time:
//
//   y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A      d: 4×4 pixels of x, g: 3×3 taps, y: 2×2 results
//   dg = Gᵀ [(Bᵀ d B) ⊙ (A dy Aᵀ)] G    its gradient: every factor transposed
//
// with Σ over channels (or, of the gradient, over tiles) between the brackets. The entries are 0, ±1 and ±1/2, so that
// the transforms round like sums of at most 16 numbers.

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace autograd::cpu::winograd {

constexpr int kOutputs = 2, kTaps = 3, kSide = kOutputs + kTaps - 1;  // of a tile, along each axis
constexpr int kProducts = kSide * kSide;

// A vector register of AVX2.
template <typename T>
struct LanesOf {
  typedef T Type __attribute__((vector_size(32)));
};
template <typename T>
using Lanes = typename LanesOf<T>::Type;
template <typename T>
constexpr int64_t kLanes = sizeof(Lanes<T>) / sizeof(T);

template <typename T>
inline Lanes<T> Load(const T* from) {
  Lanes<T> value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}
template <typename T>
inline void Store(T* to, const Lanes<T>& value) {
  std::memcpy(to, &value, sizeof(value));
}

// Lane j of vector i and lane i of vector j change places.
template <typename T>
inline void Transpose(Lanes<T> (&square)[kLanes<T>]) {
  typedef std::conditional_t<sizeof(T) == 4, int32_t, int64_t> Index __attribute__((vector_size(32)));
#pragma GCC unroll 8
  for (int step = 1; step < kLanes<T>; step *= 2) {
    Index upper = {}, lower = {};
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const bool second = (lane & step) != 0;
      upper[lane] = second ? kLanes<T> + lane - step : lane;
      lower[lane] = second ? kLanes<T> + lane : lane + step;
    }
#pragma GCC unroll 8
    for (int i = 0; i < kLanes<T>; ++i) {
      if ((i & step) != 0) continue;
      const Lanes<T> a = square[i], b = square[i + step];
      square[i] = __builtin_shuffle(a, b, upper);
      square[i + step] = __builtin_shuffle(a, b, lower);
    }
  }
}

// One axis of each transform, from `from` with `stride` vectors between entries, to `to` with the same.
struct OfInput {  // Bᵀ
  static constexpr int kFrom = kSide, kTo = kSide;
  template <typename V>
  static void Apply(const V* d, int from_stride, V* v, int to_stride) {
    const V d0 = d[0], d1 = d[from_stride], d2 = d[2 * from_stride], d3 = d[3 * from_stride];
    v[0] = d0 - d2;
    v[to_stride] = d1 + d2;
    v[2 * to_stride] = d2 - d1;
    v[3 * to_stride] = d1 - d3;
  }
};
struct OfFilter {  // G
  static constexpr int kFrom = kTaps, kTo = kSide;
  template <typename V>
  static void Apply(const V* g, int from_stride, V* u, int to_stride) {
    const V g0 = g[0], g1 = g[from_stride], g2 = g[2 * from_stride], outer = g0 + g2;
    u[0] = g0;
    u[to_stride] = (outer + g1) * 0.5f;
    u[2 * to_stride] = (outer - g1) * 0.5f;
    u[3 * to_stride] = g2;
  }
};
struct OfResult {  // Aᵀ
  static constexpr int kFrom = kSide, kTo = kOutputs;
  template <typename V>
  static void Apply(const V* m, int from_stride, V* y, int to_stride) {
    const V m0 = m[0], m1 = m[from_stride], m2 = m[2 * from_stride], m3 = m[3 * from_stride];
    y[0] = m0 + m1 + m2;
    y[to_stride] = m1 - m2 - m3;
  }
};
struct OfResultGradient {  // A
  static constexpr int kFrom = kOutputs, kTo = kSide;
  template <typename V>
  static void Apply(const V* dy, int from_stride, V* e, int to_stride) {
    const V y0 = dy[0], y1 = dy[from_stride];
    e[0] = y0;
    e[to_stride] = y0 + y1;
    e[2 * to_stride] = y0 - y1;
    e[3 * to_stride] = -y1;
  }
};
struct OfFilterGradient {  // Gᵀ
  static constexpr int kFrom = kSide, kTo = kTaps;
  template <typename V>
  static void Apply(const V* u, int from_stride, V* g, int to_stride) {
    const V u1 = u[from_stride], u2 = u[2 * from_stride], half = (u1 + u2) * 0.5f;
    g[0] = u[0] + half;
    g[to_stride] = (u1 - u2) * 0.5f;
    g[2 * to_stride] = u[3 * from_stride] + half;
  }
};

// Both axes: from a square of kFrom × kFrom to one of kTo × kTo.
template <typename Axis, typename V>
inline void Transform(const V (&from)[Axis::kFrom * Axis::kFrom], V (&to)[Axis::kTo * Axis::kTo]) {
  V half[Axis::kTo * Axis::kFrom];
  for (int j = 0; j < Axis::kFrom; ++j) Axis::Apply(from + j, Axis::kFrom, half + j, Axis::kFrom);
  for (int i = 0; i < Axis::kTo; ++i) Axis::Apply(half + i * Axis::kFrom, 1, to + i * Axis::kTo, 1);
}

}  // namespace autograd::cpu::winograd
