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
    const NormalDistribution<T> normal = StandardNormal(x);
    return (scale * dy + slope * (x * normal.cumulative)) * (normal.cumulative + x * normal.density);
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
