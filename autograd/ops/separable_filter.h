#pragma once

// One axis of a separable linear filter: output i is a weighted sum of the inputs [first, first + count).
// Resizing and average pooling are all of this kind, and so are their gradients, which read the same weights
// the other way round.
//
// The position of output i in the input is PyTorch's: (i + 1/2)·in/out − 1/2, or i·(in − 1)/(out − 1) with
// aligned corners.

#include <cstdint>

#include "autograd/runtime/host_device.h"

namespace autograd {

enum class AxisFilterKind : uint8_t {
  kNearest,                 // floor(i·in/out)
  kNearestExact,            // floor((i + 1/2)·in/out)
  kBilinear,                // position clamped at the edges
  kBilinearAlignedCorners,  // corner pixels stay corner pixels
  kBicubic,                 // Keys' kernel with a = −3/4 on four taps, indices clamped at the edges
  kBicubicAntialiased,      // a = −1/2, widened when it shrinks; taps end at the edges and are renormalised
  kAverageWindow,           // mean of a sliding window; padding counts as zeros
  kAverageBins,             // mean over [floor(i·in/out), ceil((i + 1)·in/out))
};

struct AxisFilter {
  AxisFilterKind kind = AxisFilterKind::kNearest;
  int64_t kernel = 1, stride = 1, padding = 0;  // kAverageWindow only
};

struct AxisWindow {
  int64_t first = 0, count = 0;
};

// R. Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4 (there a = −1/2).
HOST_DEVICE inline double KeysKernel(double a, double x) {
  x = x < 0 ? -x : x;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

namespace internal {

HOST_DEVICE inline int64_t Clamped(int64_t i, int64_t extent) { return i < 0 ? 0 : (i < extent ? i : extent - 1); }

// x ≥ 0 truncates; below, floor is one less unless x is whole.
HOST_DEVICE inline int64_t Floor(double x) {
  const int64_t truncated = static_cast<int64_t>(x);
  return x < static_cast<double>(truncated) ? truncated - 1 : truncated;
}

HOST_DEVICE inline double Position(AxisFilterKind kind, int64_t in, int64_t out, int64_t i) {
  if (kind == AxisFilterKind::kBilinearAlignedCorners) {
    return out > 1 ? static_cast<double>(i * (in - 1)) / static_cast<double>(out - 1) : 0.0;
  }
  const double position = (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
  return kind == AxisFilterKind::kBilinear && position < 0 ? 0.0 : position;
}

// The reach of the antialiased kernel, in inputs to each side.
HOST_DEVICE inline double CubicSupport(int64_t in, int64_t out) {
  return in > out ? 2.0 * static_cast<double>(in) / static_cast<double>(out) : 2.0;
}

}  // namespace internal

// Which inputs output i of `out` reads; in, out ≥ 1.
HOST_DEVICE inline AxisWindow WindowOf(const AxisFilter& filter, int64_t in, int64_t out, int64_t i) {
  switch (filter.kind) {
    case AxisFilterKind::kNearest:
      return {i * in / out, 1};
    case AxisFilterKind::kNearestExact:
      return {(2 * i + 1) * in / (2 * out), 1};
    case AxisFilterKind::kBilinear:
    case AxisFilterKind::kBilinearAlignedCorners: {
      const double position = internal::Position(filter.kind, in, out, i);
      const int64_t first = internal::Clamped(internal::Floor(position), in);
      const bool whole = position <= static_cast<double>(first) || first + 1 == in;
      return {first, whole ? 1 : 2};
    }
    case AxisFilterKind::kBicubic: {
      const int64_t base = internal::Floor(internal::Position(filter.kind, in, out, i));
      const int64_t first = internal::Clamped(base - 1, in);
      return {first, internal::Clamped(base + 2, in) - first + 1};
    }
    case AxisFilterKind::kBicubicAntialiased: {
      const double centre = (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out);
      const double support = internal::CubicSupport(in, out);
      const int64_t low = static_cast<int64_t>(centre - support + 0.5),
                    high = static_cast<int64_t>(centre + support + 0.5);
      const int64_t first = low > 0 ? low : 0;
      return {first, (high < in ? high : in) - first};
    }
    case AxisFilterKind::kAverageWindow: {
      const int64_t start = i * filter.stride - filter.padding, end = start + filter.kernel;
      const int64_t first = start > 0 ? start : 0;
      return {first, (end < in ? end : in) - first};
    }
    case AxisFilterKind::kAverageBins: {
      const int64_t first = i * in / out;
      return {first, ((i + 1) * in + out - 1) / out - first};
    }
  }
  return {};
}

// Writes the `window.count` weights of output i.
HOST_DEVICE inline void WeightsOf(const AxisFilter& filter, int64_t in, int64_t out, int64_t i, AxisWindow window,
                                  double* weights) {
  switch (filter.kind) {
    case AxisFilterKind::kNearest:
    case AxisFilterKind::kNearestExact:
      weights[0] = 1;
      return;
    case AxisFilterKind::kBilinear:
    case AxisFilterKind::kBilinearAlignedCorners: {
      weights[0] = 1;
      if (window.count == 2) {
        weights[1] = internal::Position(filter.kind, in, out, i) - static_cast<double>(window.first);
        weights[0] -= weights[1];
      }
      return;
    }
    case AxisFilterKind::kBicubic: {
      const double position = internal::Position(filter.kind, in, out, i);
      const int64_t base = internal::Floor(position);
      for (int64_t tap = 0; tap < window.count; ++tap) weights[tap] = 0;
      for (int64_t tap = base - 1; tap <= base + 2; ++tap) {
        weights[internal::Clamped(tap, in) - window.first] += KeysKernel(-0.75, position - static_cast<double>(tap));
      }
      return;
    }
    case AxisFilterKind::kBicubicAntialiased: {
      const double scale = static_cast<double>(in) / static_cast<double>(out);
      const double centre = (static_cast<double>(i) + 0.5) * scale, narrowing = scale > 1 ? 1 / scale : 1;
      double sum = 0;
      for (int64_t tap = 0; tap < window.count; ++tap) {
        weights[tap] = KeysKernel(-0.5, (static_cast<double>(tap + window.first) - centre + 0.5) * narrowing);
        sum += weights[tap];
      }
      for (int64_t tap = 0; tap < window.count; ++tap) weights[tap] /= sum;
      return;
    }
    case AxisFilterKind::kAverageWindow:
      for (int64_t tap = 0; tap < window.count; ++tap) weights[tap] = 1.0 / static_cast<double>(filter.kernel);
      return;
    case AxisFilterKind::kAverageBins:
      for (int64_t tap = 0; tap < window.count; ++tap) weights[tap] = 1.0 / static_cast<double>(window.count);
      return;
  }
}

}  // namespace autograd
