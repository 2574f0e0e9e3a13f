#pragma once

#include "nn/layers/convolution.h"
#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"

namespace nn {

struct ConvNeXtV2BlockOptions {
  double drop_path = 0;
  // timm keeps the two linear layers of small models as 1×1 convolutions and those of Tiny and larger ones as linear
  // layers.
  Layout mlp_layout = Layout::kPointwiseConv2d;
};

// x + DropPath(fc2(GRN(GELU(fc1(LayerNorm(depthwise7×7(x))))))), the block of ConvNeXt V2 (Woo et al., CVPR 2023,
// figure 5). Fields, as timm's: conv_dw, norm, mlp.fc1, mlp.grn, mlp.fc2.
struct ConvNeXtV2Block {
  ConvNeXtV2Block(int64_t channels, const ConvNeXtV2BlockOptions& options, RandomKey key);
  Variable operator()(const Variable& x, const Context& context);  // [n, h, w, channels], the same
  void Fields(FieldVisitor& visitor);

  DepthwiseConv2d depthwise;
  LayerNorm norm;
  Linear fc1;
  Grn grn;
  Linear fc2;
  DropPath drop_path;
};

}  // namespace nn
