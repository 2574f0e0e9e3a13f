#pragma once

// The all-MLP head of SegFormer (Xie et al., NeurIPS 2021, equation 4) in the variants of the public packages. With
// CBR1 a 1×1 convolution without bias, batch normalisation, ReLU:
//
//                                     Hugging Face, NVlabs          mmseg, SSSegmentation
//   each level to `width` channels    linear layer with bias        CBR1
//   resize to the first level         bilinear                      bilinear
//   order of the levels               deepest first                 deepest last
//   fusion of the levels              CBR1                          CBR1
//   width                             256 (B0, B1), 768 (others)    256
//   dropout of 0.1                    elements; NVlabs channels     channels
//   1×1 convolution with bias         classifier                    classifier

#include <array>
#include <cstdint>
#include <vector>

#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"
#include "seg/decoders/fcn_head.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

struct SegFormerHeadConfig {
  enum class Levels : uint8_t { kLinear, kConvolution };

  Levels levels = Levels::kLinear;
  int64_t width = 256;
  double dropout = 0.1;
  bool drop_channels = false;  // whole channels of an image instead of single elements
  nn::BatchNormOptions norm = {};
  // Of the convolutions and the classifier; linear levels begin as PyTorch's linear layers.
  HeadInitializers initializers = {.convolution = nn::KaimingNormal()};

  static SegFormerHeadConfig HuggingFace(int64_t width);
  static SegFormerHeadConfig Nvidia(int64_t width);
  static SegFormerHeadConfig Mmseg();
};

struct SegFormerHead {
  // `inputs`: channels of the four levels, from the first, which has the most pixels.
  SegFormerHead(const std::array<int64_t, 4>& inputs, int64_t classes, const SegFormerHeadConfig& config,
                RandomKey key);

  // Four levels [n, h_i, w_i, inputs[i]] → logits [n, h_0, w_0, classes].
  Variable operator()(const std::vector<Variable>& features, const nn::Context& context);
  // The head's smallest batch norm, for levels of so many pixels.
  NormExtent SmallestNorm(const std::array<int64_t, 4>& pixels) const;
  // Linear levels, as in Hugging Face's: linear_c.i.proj, linear_fuse, batch_norm, classifier. Convolutions, as in
  // mmseg: convs.i.{conv, bn}, fusion_conv.{conv, bn}, conv_seg.
  void Fields(nn::FieldVisitor& visitor);

  SegFormerHeadConfig config;
  std::vector<nn::Linear> linear_levels;
  std::vector<nn::ConvNormAct> convolution_levels;
  nn::Linear fusion;  // weight [width, 4·width], a run of `width` columns a level
  nn::BatchNorm2d fusion_norm;
  nn::Linear classifier;
};

}  // namespace seg
