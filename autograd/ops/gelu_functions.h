#pragma once

// The standard normal distribution for GELU(x) = x·Φ(x) and its derivative Φ(x) + x·φ(x), with the exponential that
// both need computed once, and without branches on the host, so that loops over it vectorise.

#include "autograd/runtime/host_device.h"
#include "autograd/runtime/math.h"

namespace autograd {

template <typename T>
struct NormalDistribution {
  T cumulative;  // Φ(x)
  T density;     // φ(x) = exp(−x²/2) / √(2π)
};

// exp(−x²/2), by the same steps as math::Exp but with nothing for large arguments and results below the normal range:
// those become 2^-126 (|x| > 13). The polynomial is fitted for the least relative error (3.1e-9).
HOST_DEVICE inline float NormalExponential(float x) {
#ifdef __CUDA_ARCH__
  return ::expf(-0.5f * x * x);
#else
  const float exponent = -0.5f * x * x;
  const float clamped = exponent < -87.0f ? -87.0f : exponent;
  const float k = __builtin_rintf(clamped * 1.44269504088896341f);
  float r = clamped - k * 0.693359375f;
  r = r + k * 2.12194440e-4f;
  float p = 1.381453988e-3f;
  p = p * r + 8.368745127e-3f;
  p = p * r + 4.166839079e-2f;
  p = p * r + 1.666652040e-1f;
  p = p * r + 4.999999343e-1f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(k) + 127) << 23;
  float scale;
  memcpy(&scale, &bits, 4);
  return p * scale;
#endif
}

// Φ(−|x|) = exp(−x²/2)·q(t) for t = 1/(1 + 0.26·|x|), with q fitted for the least relative error (5.5e-9) on |x| ≤ 15;
// further out the exponential vanishes. The rounding of t dominates: Φ is within 2.5e-7.
HOST_DEVICE inline NormalDistribution<float> StandardNormal(float x, float t, float exponential) {
  float q = 3.392640616e-02f;
  q = q * t - 1.705199967e-01f;
  q = q * t + 2.909851862e-01f;
  q = q * t - 2.008152384e-01f;
  q = q * t + 2.001209017e-01f;
  q = q * t + 3.120576653e-02f;
  q = q * t + 1.094822251e-01f;
  q = q * t + 1.017152917e-01f;
  q = q * t + 1.039066281e-01f;
  q = q * t - 7.167580399e-06f;
  const float tail = exponential * q;
  return {x < 0 ? tail : 1.0f - tail, exponential * 0.398942280401432678f};
}

HOST_DEVICE inline NormalDistribution<float> StandardNormal(float x) {
  const float magnitude = x < 0 ? -x : x;
  return StandardNormal(x, 1.0f / (1.0f + 0.26f * magnitude), NormalExponential(x));
}

// For values in bfloat16: on the device with its approximate reciprocal and power of two, two instructions where the
// division alone is a branch and a call. They are within 2^-23 and 2^-22 (PTX ISA, rcp.approx and ex2.approx), so
// Φ(−|x|) is within 2^-20 + 2^-23·x² of itself, which the rounding to bfloat16 (2^-8) hides. Elsewhere StandardNormal.
HOST_DEVICE inline NormalDistribution<float> ApproximateStandardNormal(float x) {
#ifdef __CUDA_ARCH__
  float t, exponential;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(t) : "f"(1.0f + 0.26f * ::fabsf(x)));
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(exponential) : "f"(x * x * -0.72134752044448170368f));
  return StandardNormal(x, t, exponential);
#else
  return StandardNormal(x);
#endif
}

HOST_DEVICE inline NormalDistribution<double> StandardNormal(double x) {
  return {0.5 * ::erfc(-x * 0.70710678118654752440), math::Exp(-0.5 * x * x) * 0.39894228040143267794};
}

template <typename T>
HOST_DEVICE inline T GeluValue(T x) {
  return x * StandardNormal(x).cumulative;
}

}  // namespace autograd
