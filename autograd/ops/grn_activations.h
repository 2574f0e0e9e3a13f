#pragma once

// The activation h(x) in front of GRN, for both backends: Value is h, and Gradient is (scale·dy + slope·h)·dh/dx.

#include "autograd/ops/gelu_functions.h"

namespace autograd::grn {

struct Identity {
  template <typename T>
  HOST_DEVICE static T Value(T x) {
    return x;
  }
  template <typename T>
  HOST_DEVICE static T Gradient(T x, T scale, T slope, T dy) {
    return scale * dy + slope * x;
  }
};

struct Gelu {
  template <typename T>
  HOST_DEVICE static T Value(T x) {
    return GeluValue(x);
  }
  template <typename T>
  HOST_DEVICE static T Gradient(T x, T scale, T slope, T dy) {
    return Gradient(x, scale, slope, dy, StandardNormal(x));
  }

 protected:
  template <typename T>
  HOST_DEVICE static T Gradient(T x, T scale, T slope, T dy, const NormalDistribution<T>& normal) {
    return (scale * dy + slope * (x * normal.cumulative)) * (normal.cumulative + x * normal.density);
  }
};

// For activations in bfloat16 on a device.
struct ApproximateGelu : Gelu {
  HOST_DEVICE static float Value(float x) { return x * ApproximateStandardNormal(x).cumulative; }
  HOST_DEVICE static float Gradient(float x, float scale, float slope, float dy) {
    return Gelu::Gradient(x, scale, slope, dy, ApproximateStandardNormal(x));
  }
};

template <typename Visitor>
void VisitActivation(bool gelu, const Visitor& visitor) {
  if (gelu) {
    visitor(Gelu());
  } else {
    visitor(Identity());
  }
}

}  // namespace autograd::grn
