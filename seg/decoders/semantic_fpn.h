#pragma once

// The decoder of SFPNeXt: a feature pyramid (Lin et al., CVPR 2017) under the semantic head of Panoptic FPN (Kirillov
// et al., CVPR 2019), with self-attention at its top. The RSS paper says "SemanticFPN combined with Self-Attention" and
// no more; this is the composition of its authors' library (iSeg). With C2 … C5 the encoder's taps and CBRk a k×k
// convolution without bias, batch normalisation, ReLU:
//
//   top   = CBR3(C5 → width);  P5 = top + SelfAttention(top)
//   P_i   = CBR1(C_i → width) + bilinear(P_{i+1}),  i = 4, 3, 2
//   level i of the pyramid: 1, 1, 2, 3 CBR3 of pyramid_width, each followed (on all levels but P2) by a bilinear resize
//   to the next finer level; their sum → CBR1 → 1×1 convolution with bias = logits, at the stride of C2

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "nn/blocks/self_attention.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/linear.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

struct SemanticFpnConfig {
  int64_t width = 256;
  int64_t pyramid_width = 128;
  bool attention = true;
  nn::SelfAttentionOptions attention_options = {};  // key width 64, no scale
  nn::BatchNormOptions norm = {.epsilon = 1e-3, .momentum = 0.1};
};

// What the golden tests and visualisations look at.
struct SemanticFpnTrace {
  Variable top;        // [n, h5, w5, width]
  Variable attention;  // P5
  Variable pyramid2;   // P2
  Variable fused;      // [n, h2, w2, pyramid_width]
};

struct SemanticFpn {
  struct Level {
    std::vector<nn::ConvNormAct> blocks;
    void Fields(nn::FieldVisitor& visitor);
  };

  SemanticFpn(const std::array<int64_t, 4>& channels, int64_t classes, const SemanticFpnConfig& config, RandomKey key);

  // taps, fine to coarse → logits [n, h2, w2, classes].
  Variable operator()(std::span<const Variable, 4> taps, const nn::Context& context, SemanticFpnTrace* trace = nullptr);
  // top, attention, lateral.{0,1,2}, pyramid.{level}.{i}, fuse, classifier
  void Fields(nn::FieldVisitor& visitor);

  nn::ConvNormAct top;
  std::optional<nn::SelfAttention> attention;
  std::vector<nn::ConvNormAct> lateral;
  std::vector<Level> pyramid;
  nn::ConvNormAct fuse;
  nn::Linear classifier;
};

}  // namespace seg
