#pragma once

#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace nn {

struct ConvNormActOptions {
  int64_t stride = 1;
  int64_t dilation = 1;
  bool relu = true;
  BatchNormOptions norm = {};
  Initializer weight_initializer = KaimingNormal();
};

// Convolution without bias, padded to keep the size at stride 1; batch normalisation; ReLU. The kernel is odd. Named as
// mmcv's ConvModule names it. Fields: conv, bn.
struct ConvNormAct {
  ConvNormAct(int64_t inputs, int64_t outputs, int64_t kernel, const ConvNormActOptions& options, RandomKey key);
  Variable operator()(const Variable& x, const Context& context);
  void Fields(FieldVisitor& visitor);

  Conv2d conv;
  BatchNorm2d bn;
  bool relu;
};

// norm(conv(x)), and max(0, ·) of it with `relu`; one convolution in an EvaluationScope, where nothing is recorded.
Variable ConvolveAndNormalize(Conv2d& conv, BatchNorm2d& norm, const Variable& x, const Context& context, bool relu);

}  // namespace nn
