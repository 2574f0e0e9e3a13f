#pragma once

#include <cstdint>

namespace autograd {

// Every number of a depthwise convolution with "same" padding.
struct DepthwiseGeometry {
  int64_t n = 0, h = 0, w = 0, c = 0;  // x
  int64_t kh = 0, kw = 0;              // filter [kh, kw, c]
  int64_t oh = 0, ow = 0;              // y
  int64_t stride = 1, dilation = 1;

  constexpr int64_t padding_h() const { return dilation * (kh - 1) / 2; }
  constexpr int64_t padding_w() const { return dilation * (kw - 1) / 2; }
  bool dense() const { return stride == 1 && dilation == 1; }
};

}  // namespace autograd
