#pragma once

#include <optional>

#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace nn {

struct BottleneckOptions {
  int64_t stride = 1;    // of the 3×3 convolution
  int64_t dilation = 1;  // of the 3×3 convolution
  BatchNormOptions norm = {};
  bool zero_last_norm =
      false;  // bn3.weight begins as 0, so that the block begins as its shortcut (Goyal et al. 2017, §5.1)
};

// ReLU(shortcut(x) + BN(1×1(ReLU(BN(3×3(ReLU(BN(1×1(x)))))))): the bottleneck of ResNet (He et al., CVPR 2016, figure
// 5) with the stride on the 3×3 convolution, as torchvision and mmseg have it. The shortcut is x, or BN(1×1(x)) where
// the shape changes. Fields, as torchvision's: conv1, bn1, conv2, bn2, conv3, bn3, downsample.0, downsample.1.
struct Bottleneck {
  static constexpr int64_t kExpansion = 4;

  Bottleneck(int64_t inputs, int64_t width, const BottleneckOptions& options, RandomKey key);
  // x [n, h, w, inputs] → [n, ⌈h/stride⌉, ⌈w/stride⌉, 4·width]. `sum`, where it is asked for, becomes what the last
  // ReLU reads.
  Variable operator()(const Variable& x, const Context& context, Variable* sum = nullptr);
  // The same, but keeps only x for the backward pass and computes the rest again there. Running statistics move once.
  Variable Checkpointed(const Variable& x, const Context& context);
  void Fields(FieldVisitor& visitor);

  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  std::optional<Conv2d> downsample_convolution;
  std::optional<BatchNorm2d> downsample_norm;
};

}  // namespace nn
