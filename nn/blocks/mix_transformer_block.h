#pragma once

#include "nn/blocks/spatial_reduction_attention.h"
#include "nn/layers/convolution.h"
#include "nn/layers/dropout.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"

namespace nn {

// dense2(GELU(depthwise3×3(dense1(x)))): SegFormer's Mix-FFN (Xie et al., NeurIPS 2021, equation 3), whose convolution
// tells tokens where they are. Fields, as in Hugging Face's SegFormer: dense1, dwconv.dwconv, dense2.
struct MixFfn {
  MixFfn(int64_t width, int64_t hidden_width, RandomKey key);
  Variable operator()(const Variable& x);  // [n, h, w, width], the same
  void Fields(FieldVisitor& visitor);

  Linear dense1;
  DepthwiseConv2d depthwise;
  Linear dense2;
};

struct MixTransformerBlockOptions {
  int64_t heads = 1;
  int64_t reduction = 1;            // of the attention
  int64_t mlp_width = 0;            // 0: 4·width
  double epsilon = 1e-5;            // of the two norms
  double reduction_epsilon = 1e-5;  // of the attention's norm
  double drop_path = 0;             // of both branches
};

// The block of SegFormer's encoder (Xie et al., "SegFormer: Simple and efficient design for semantic segmentation with
// transformers", NeurIPS 2021, section 3.1), on maps:
//   x ← x + DropPath(attention(LayerNorm(x)));  x ← x + DropPath(MixFfn(LayerNorm(x)))
// Fields, as in Hugging Face's SegFormer: layer_norm_1, attention, layer_norm_2, mlp.
struct MixTransformerBlock {
  MixTransformerBlock(int64_t width, const MixTransformerBlockOptions& options, RandomKey key);
  Variable operator()(const Variable& x, const Context& context);  // [n, h, w, width], the same
  void Fields(FieldVisitor& visitor);

  LayerNorm norm1;
  SpatialReductionAttention attention;
  LayerNorm norm2;
  MixFfn mlp;
  DropPath drop_path;
};

}  // namespace nn
