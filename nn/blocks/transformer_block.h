#pragma once

#include "nn/blocks/multi_head_attention.h"
#include "nn/layers/normalization.h"

namespace nn {

struct TransformerBlockOptions {
  int64_t heads = 1;
  int64_t mlp_width = 0;   // 0: 4·width
  double epsilon = 1e-6;   // of the norms: 1e-6 in timm and mmseg, 1e-5 in rstrudel/segmenter
  double drop_path = 0;    // of both branches
  double dropout = 0;      // after attention, after GELU and after the MLP
  double layer_scale = 0;  // first value of LayerScale (Touvron et al., ICCV 2021, equation 4); 0: without
};

// The block of ViT (Dosovitskiy et al., "An image is worth 16×16 words", ICLR 2021, equations 2 and 3):
//   x ← x + DropPath(attention(LayerNorm(x)));  x ← x + DropPath(fc2(GELU(fc1(LayerNorm(x)))))
// Fields, as timm's: norm1, attn.{qkv, proj}, ls1.gamma, norm2, mlp.{fc1, fc2}, ls2.gamma.
struct TransformerBlock {
  TransformerBlock(int64_t width, const TransformerBlockOptions& options, RandomKey key);
  Variable operator()(const Variable& x, const Context& context);  // [n, l, width], the same
  void Fields(FieldVisitor& visitor);

  LayerNorm norm1;
  MultiHeadAttention attention;
  Parameter scale1;  // [width], undefined without LayerScale
  LayerNorm norm2;
  Linear fc1, fc2;
  Parameter scale2;
  DropPath drop_path;
  Dropout dropout;
};

}  // namespace nn
