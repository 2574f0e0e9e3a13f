#pragma once

// Box & Muller's transform (Annals of Mathematical Statistics 29, 1958) with the same bits on every machine.
//
// IEEE 754 fixes the result of +, −, ·, /, √, fma and of conversions from integers to the last bit; of log, sin and cos
// it does not. So these are polynomials here, and as compilers may or may not contract a·b + c into one rounding, no
// product is ever added other than by an explicit fma. All polynomials are Taylor series, cut where the remainder is
// below 2⁻²⁸ of the value.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/random.h"

namespace autograd::normal {

HOST_DEVICE inline float Fma(float a, float b, float c) {
#ifdef __CUDA_ARCH__
  return __fmaf_rn(a, b, c);
#else
  return std::fma(a, b, c);
#endif
}

HOST_DEVICE inline float Quotient(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

HOST_DEVICE inline float SquareRoot(float a) {
#ifdef __CUDA_ARCH__
  return __fsqrt_rn(a);
#else
  return std::sqrt(a);
#endif
}

// log x for normal x > 0. With x = 2^k·(1 + f), √½ ≤ 1 + f < √2, and s = f/(2 + f), |s| < 0.172:
// log x = k·log 2 + 2·artanh s, artanh s = s + s³/3 + s⁵/5 + s⁷/7 + s⁹/9 + …
HOST_DEVICE inline float Log(float x) {
  int32_t bits;
  memcpy(&bits, &x, 4);
  const int32_t k = (bits - 0x3F3504F3) >> 23;  // the bits of √½
  bits -= k * (1 << 23);
  float mantissa;
  memcpy(&mantissa, &bits, 4);
  const float f = mantissa - 1.0f, s = Quotient(f, 2.0f + f), square = s * s;
  float p = 2.0f / 9;
  p = Fma(p, square, 2.0f / 7);
  p = Fma(p, square, 2.0f / 5);
  p = Fma(p, square, 2.0f / 3);
  const float fraction = Fma(s * square, p, 2.0f * s);
  return Fma(static_cast<float>(k), 0.693147180559945f, fraction);
}

// cos and sin of 2π·word/2³²: of the nearest quarter turn, and of the rest in [−π/4, π/4].
HOST_DEVICE inline void CosineAndSine(uint32_t word, float* cosine, float* sine) {
  const uint32_t quarter = (word + (1u << 29)) >> 30;
  const auto rest = static_cast<int32_t>(word - (quarter << 30));
  const float x = static_cast<float>(rest) * 1.46291807926716e-9f;  // π/2³¹
  const float square = x * x;
  float p = 1.0f / 362880;
  p = Fma(p, square, -1.0f / 5040);
  p = Fma(p, square, 1.0f / 120);
  p = Fma(p, square, -1.0f / 6);
  const float s = Fma(x * square, p, x);
  float q = -1.0f / 3628800;
  q = Fma(q, square, 1.0f / 40320);
  q = Fma(q, square, -1.0f / 720);
  q = Fma(q, square, 1.0f / 24);
  q = Fma(q, square, -0.5f);
  const float c = Fma(q, square, 1.0f);
  const float along = quarter % 2 == 0 ? c : s, across = quarter % 2 == 0 ? s : c;
  *cosine = quarter == 1 || quarter == 2 ? -along : along;
  *sine = quarter == 2 || quarter == 3 ? -across : across;
}

// Two independent numbers from two random words: √(−2·log u)·(cos, sin)(2πv), with u = (radius_word + ½)/2³² in (0, 1]
// (rounded twice, to float32) and v = angle_word/2³². None is larger than √(66·log 2) = 6.76.
HOST_DEVICE inline void Pair(uint32_t radius_word, uint32_t angle_word, float* first, float* second) {
  const float u = Fma(static_cast<float>(radius_word), 2.3283064365386963e-10f, 1.1641532182693481e-10f);
  const float radius = SquareRoot(-2.0f * Log(u));
  float cosine, sine;
  CosineAndSine(angle_word, &cosine, &sine);
  *first = radius * cosine;
  *second = radius * sine;
}

// Numbers 4·draw … 4·draw + 3 of a key that is a Now().
HOST_DEVICE inline void Four(const RandomKey& key, uint64_t draw, float (&numbers)[4]) {
  const PhiloxWords words = Philox(key, draw);
  Pair(words.x, words.y, &numbers[0], &numbers[1]);
  Pair(words.z, words.w, &numbers[2], &numbers[3]);
}

}  // namespace autograd::normal
