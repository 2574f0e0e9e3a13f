#pragma once

// exp, erf, tanh, sigmoid … for kernels. The float versions for the host are polynomials without branches or table
// look-ups, so the compiler vectorises loops over them (libm's calls would run one element at a time); errors are below
// 2 units in the last place of float32. double goes to libm, the device to CUDA's functions.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "autograd/runtime/host_device.h"

namespace autograd::math {

HOST_DEVICE inline double Exp(double x) { return ::exp(x); }
HOST_DEVICE inline double Log(double x) { return ::log(x); }
HOST_DEVICE inline double Erf(double x) { return ::erf(x); }
HOST_DEVICE inline double Tanh(double x) { return ::tanh(x); }
HOST_DEVICE inline double Sqrt(double x) { return ::sqrt(x); }
HOST_DEVICE inline float Sqrt(float x) { return ::sqrtf(x); }
HOST_DEVICE inline float Log(float x) { return ::logf(x); }

#ifdef __CUDA_ARCH__
__device__ inline float Exp(float x) { return ::expf(x); }
__device__ inline float Erf(float x) { return ::erff(x); }
__device__ inline float Tanh(float x) { return ::tanhf(x); }
#else
// 2^k · p(r) with r = x − k·ln 2 in [−ln2/2, ln2/2]; p is the Taylor polynomial of degree 7 (relative error 5e-9).
// Underflow goes to 0 and overflow to infinity as in libm; NaN stays NaN.
inline float Exp(float x) {
  const float clamped = x < -104.0f ? -104.0f : (x > 89.0f ? 89.0f : x);
  const float k = __builtin_rintf(clamped * 1.44269504088896341f);
  float r = clamped - k * 0.693359375f;
  r = r + k * 2.12194440e-4f;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // Two factors, so that subnormal results and the largest exponents are reached without leaving the range of the bits.
  const int32_t exponent = static_cast<int32_t>(k);
  const int32_t half = exponent >> 1, rest = exponent - half;
  const int32_t first_bits = (half + 127) << 23, second_bits = (rest + 127) << 23;
  float first, second;
  memcpy(&first, &first_bits, 4);
  memcpy(&second, &second_bits, 4);
  const float y = p * first * second;
  return x != x ? x : y;
}

inline float Tanh(float x) {
  // Odd series near zero, where 1 − 2/(e^2x + 1) cancels.
  const float magnitude = x < 0 ? -x : x;
  const float square = x * x;
  const float series =
      x + x * square *
              (-0.333333333f + square * (0.133333333f + square * (-0.0539682540f +
                                                                  square * (0.0218694885f - square * 0.00886323553f))));
  const float large = 1.0f - 2.0f / (Exp(2.0f * magnitude) + 1.0f);
  const float signed_large = x < 0 ? -large : large;
  return magnitude < 0.35f ? series : signed_large;
}

// x times a polynomial in x² below 1 (relative error 4e-11 before rounding); above, 1 − exp(−x²)·q(1/(1 + x/2)) with q
// fitted by weighted least squares at Chebyshev nodes on [1, 4] (absolute error 9e-11). From 4 on, erf rounds to 1.
inline float Erf(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float s = magnitude > 1.0f ? 1.0f : x * x;
  float p = -9.634997671e-06f;
  p = p * s + 1.125464963e-04f;
  p = p * s - 8.482510062e-04f;
  p = p * s + 5.220923472e-03f;
  p = p * s - 2.686539226e-02f;
  p = p * s + 1.128378184e-01f;
  p = p * s - 3.761263843e-01f;
  p = p * s + 1.128379167e+00f;
  const float clamped = magnitude > 4.0f ? 4.0f : magnitude;
  const float t = 1.0f / (1.0f + 0.5f * clamped);
  float q = -2.301821867e-01f;
  q = q * t + 6.349088036e-01f;
  q = q * t - 6.244306727e-02f;
  q = q * t + 3.956577974e-01f;
  q = q * t + 2.600236954e-01f;
  q = q * t + 1.786158517e-03f;
  const float tail = 1.0f - Exp(-clamped * clamped) * q;
  const float signed_tail = x < 0 ? -tail : tail;
  const float y = magnitude < 1.0f ? x * p : signed_tail;
  return x != x ? x : y;
}
#endif

}  // namespace autograd::math
