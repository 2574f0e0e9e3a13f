#pragma once

#include "autograd/ops/activation.h"
#include "nn/initializers/initializers.h"
#include "nn/module.h"

namespace nn {

struct Conv2dOptions {
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  Initializer weight_initializer = FanInUniform();
  Initializer bias_initializer = FanInUniform();
};

// x [n, h, w, inputs] → [n, h', w', outputs] with a square kernel. Fields: weight, bias.
struct Conv2d {
  Conv2d(int64_t inputs, int64_t outputs, int64_t kernel, const Conv2dOptions& options, RandomKey key);
  Variable operator()(const Variable& x);
  void Fields(FieldVisitor& visitor);

  Parameter weight;  // [outputs, kernel, kernel, inputs / groups]
  Parameter bias;    // [outputs], undefined without bias
  int64_t stride, padding, dilation, groups;
};

struct DepthwiseConv2dOptions {
  int64_t stride = 1;
  int64_t dilation = 1;
  bool bias = true;
  Initializer weight_initializer = FanInUniform();
  Initializer bias_initializer = FanInUniform();
};

// One odd, square filter a channel; padded to keep the size at stride 1. Fields: weight, bias.
struct DepthwiseConv2d {
  DepthwiseConv2d(int64_t channels, int64_t kernel, const DepthwiseConv2dOptions& options, RandomKey key);
  Variable operator()(const Variable& x);
  void Fields(FieldVisitor& visitor);

  Parameter weight;  // [kernel, kernel, channels]
  Parameter bias;    // [channels], undefined without bias
  int64_t stride, dilation;
};

}  // namespace nn
