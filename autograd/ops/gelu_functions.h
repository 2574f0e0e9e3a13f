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

// Φ(−|x|) = exp(−x²/2)·q(1/(1 + 0.26·|x|)) with q fitted for the least relative error (5.5e-9) on |x| ≤ 15; further out
// the exponential vanishes. The rounding of the argument of q dominates: Φ is within 2.5e-7.
HOST_DEVICE inline NormalDistribution<float> StandardNormal(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.26f * magnitude);
  const float exponential = NormalExponential(x);
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

HOST_DEVICE inline NormalDistribution<double> StandardNormal(double x) {
  return {0.5 * ::erfc(-x * 0.70710678118654752440), math::Exp(-0.5 * x * x) * 0.39894228040143267794};
}

template <typename T>
HOST_DEVICE inline T GeluValue(T x) {
  return x * StandardNormal(x).cumulative;
}

}  // namespace autograd
