#pragma once

// The soft overlap of one class with its truth in one image, for the kernels of both backends.

#include "autograd/runtime/host_device.h"

namespace seg {

struct SoftOverlap {
  double shared = 0;     // Σ p·y
  double predicted = 0;  // Σ p
  double truth = 0;      // Σ y

  HOST_DEVICE bool Present() const { return truth > 0; }
  HOST_DEVICE double Union() const { return predicted + truth - shared; }
  HOST_DEVICE double Loss() const { return 1 - shared / Union(); }
  // ∂Loss/∂p at a pixel of this class: there the union does not change.
  HOST_DEVICE double SlopeInside() const { return -1 / Union(); }
  // At a pixel of another class, where the intersection does not.
  HOST_DEVICE double SlopeOutside() const { return shared / (Union() * Union()); }
};

}  // namespace seg
