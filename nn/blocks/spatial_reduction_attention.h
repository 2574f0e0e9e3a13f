#pragma once

#include <optional>

#include "nn/blocks/multi_head_attention.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace nn {

struct SpatialReductionAttentionOptions {
  int64_t heads = 1;
  int64_t reduction = 1;  // a key is made of reduction² pixels; 1: of one, without convolution and norm
  double epsilon = 1e-5;  // of the norm behind the convolution
};

// Attention of all pixels of a map to fewer keys (Wang et al., "Pyramid vision transformer", ICCV 2021, section 3.3;
// SegFormer's efficient self-attention, Xie et al., NeurIPS 2021, equation 2), with R = reduction:
//   z = LayerNorm(convolution of x, kernel R×R, stride R, no padding), or x for R = 1;
//   y = proj(heads of softmax(query(x)·key(z)ᵀ/√d)·value(z)).
// Rows and columns behind the last whole R×R cell are in no key; a map without a whole cell is an Error.
// Fields, as in Hugging Face's SegFormer: self.{query, key, value, sr, layer_norm}, output.dense.
struct SpatialReductionAttention {
  SpatialReductionAttention(int64_t width, const SpatialReductionAttentionOptions& options, RandomKey random);
  Variable operator()(const Variable& x, const Context& context);  // [n, h, w, width], the same
  void Fields(FieldVisitor& visitor);

  MultiHeadAttention attention;  // in the form of three matrices
  std::optional<Conv2d> reduce;
  std::optional<LayerNorm> norm;
};

}  // namespace nn
