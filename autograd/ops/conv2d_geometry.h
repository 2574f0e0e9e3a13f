#pragma once

#include <cstdint>

namespace autograd {

enum class Conv2dProduct { kForward, kInputGradient, kFilterGradient };

// Every number of a convolution; the same in its three products.
struct Conv2dGeometry {
  int64_t n = 0, h = 0, w = 0, c = 0;  // x
  int64_t o = 0, kh = 0, kw = 0;       // filter [o, kh, kw, c / groups]
  int64_t oh = 0, ow = 0;              // y
  int64_t stride = 1, dilation = 1, groups = 1;
  int64_t padding = 0;

  constexpr int64_t positions() const { return n * oh * ow; }
  constexpr int64_t group_channels() const { return c / groups; }
  constexpr int64_t group_outputs() const { return o / groups; }
  // What one output of a group reads: the length of a row of the patch matrix.
  constexpr int64_t patch() const { return kh * kw * group_channels(); }
  constexpr double operations() const {
    return 2.0 * static_cast<double>(positions()) * static_cast<double>(o) * static_cast<double>(patch());
  }
  constexpr int64_t extent_h() const { return dilation * (kh - 1) + 1; }
  constexpr int64_t extent_w() const { return dilation * (kw - 1) + 1; }
  // No pixel is read by two windows.
  constexpr bool disjoint() const { return stride >= extent_h() && stride >= extent_w(); }
  // The patch matrix is x itself.
  constexpr bool pointwise() const { return kh == 1 && kw == 1 && stride == 1 && padding == 0; }
};

}  // namespace autograd
