#pragma once

// The decoders of Segmenter (Strudel et al., "Segmenter: Transformer for semantic segmentation", ICCV 2021, section
// 3.2) under the names of the authors' code, rstrudel/segmenter.

#include <cstdint>
#include <vector>

#include "nn/blocks/transformer_block.h"
#include "nn/context.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"

namespace seg {

using autograd::Parameter;
using autograd::RandomKey;
using autograd::Variable;

struct MaskTransformerConfig {
  int64_t width = 0;  // 0: the encoder's
  int64_t depth = 2;
  int64_t heads = 0;  // 0: width / 64
  // In the blocks; never of the attention's probabilities, which the authors' code drops as well. mmseg has 0.
  double dropout = 0.1;
  double drop_path = 0;   // of the last block
  double epsilon = 1e-5;  // of all norms, in the authors' code and in mmseg
};

// With x the patches' tokens, projected, and one learned embedding a class behind them, after the blocks and a norm:
//   masks = norm(x·proj_patch)·norm(classes·proj_classes)ᵀ, each row of both of length 1;
//   logits = LayerNorm(masks) over the classes.
// What follows the projections is computed in float32.
// Fields: cls_emb, proj_dec, proj_patch, proj_classes, blocks.i.{norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2},
// decoder_norm, mask_norm.
struct MaskTransformer {
  MaskTransformer(int64_t inputs, int64_t classes, const MaskTransformerConfig& config, RandomKey key);
  Variable operator()(const Variable& map,
                      const nn::Context& context);  // [n, h, w, inputs] → float32 [n, h, w, classes]
  void Fields(nn::FieldVisitor& visitor);

  Parameter class_embedding;           // [1, classes, width]
  nn::Linear projection;               // inputs → width
  Parameter proj_patch, proj_classes;  // [width, width], multiplied from the right
  std::vector<nn::TransformerBlock> blocks;
  nn::LayerNorm norm;
  nn::LayerNorm mask_norm;  // over the classes
};

// Segmenter's linear decoder: one affine map. Fields: head.
struct LinearDecoder {
  LinearDecoder(int64_t inputs, int64_t classes, RandomKey key);
  Variable operator()(const Variable& map);  // [n, h, w, inputs] → float32 [n, h, w, classes]
  void Fields(nn::FieldVisitor& visitor);

  nn::Linear head;
};

}  // namespace seg
