#pragma once

// The head of a fully convolutional network (Long et al., CVPR 2015) in the variants of the public packages; auxiliary
// classifiers are the same thing on an earlier tap. With CBR3 a 3×3 convolution without bias, batch normalisation,
// ReLU:
//
//                                  torchvision   mmseg (main)              SSSegmentation
//   x → CBR3, `convolutions` times       1             2                         2
//   concatenate_input: CBR3 of [x, …]    no            yes                       no
//   dropout                              elements      channels                  channels
//   1×1 convolution with bias           classifier
//
// Their auxiliary heads have one convolution and no concatenation: width 256 (512 in SSSegmentation).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/linear.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

// First values of a head's weights: PyTorch's defaults, which torchvision and SSSegmentation leave, or mmseg's.
struct HeadInitializers {
  nn::Initializer convolution = nn::FanInUniform();
  nn::Initializer classifier = nn::FanInUniform();
  nn::Initializer classifier_bias = nn::FanInUniform();

  static HeadInitializers Mmseg() { return {nn::KaimingNormal(), nn::Normal(0.01), nn::Zeros()}; }
};

struct FcnHeadConfig {
  int64_t width = 512;
  int64_t convolutions = 1;
  bool concatenate_input = false;
  double dropout = 0.1;
  bool drop_channels = false;  // whole channels of an image instead of single elements
  nn::BatchNormOptions norm = {};
  HeadInitializers initializers = {};

  // mmseg's main head and its auxiliary heads; SSSegmentation's.
  static FcnHeadConfig Mmseg();
  static FcnHeadConfig MmsegAuxiliary();
  static FcnHeadConfig Sssegmentation();
  static FcnHeadConfig SssegmentationAuxiliary();
};

struct FcnHead {
  FcnHead(int64_t inputs, int64_t classes, const FcnHeadConfig& config, RandomKey key);

  // x [n, h, w, inputs] → logits [n, h, w, classes].
  // `embedding`, where it is asked for, becomes the map that dropout and the classifier read.
  Variable operator()(const Variable& x, const nn::Context& context, Variable* embedding = nullptr);
  // The head's smallest batch norm, for an x of h·w = `pixels`: all see as many.
  static NormExtent SmallestNorm(int64_t pixels) { return {pixels, "head on the last feature map"}; }
  // 0, 1 (convolution and norm of the first CBR3) and 4 (classifier), as in torchvision; what torchvision does not have
  // is called as in mmseg: convs.{1,2,…}.{conv,bn}, conv_cat.{conv,bn}.
  void Fields(nn::FieldVisitor& visitor);

  FcnHeadConfig config;
  std::vector<nn::ConvNormAct> convolutions;
  std::optional<nn::ConvNormAct> concatenated;
  nn::Linear classifier;
};

// The name in a head of that many convolutions for a name of mmseg's ("convs.0.conv.weight", "conv_seg.bias", without
// "decode_head.") or SSSegmentation's ("decoder.7.weight"). Other names stay as they are.
std::string FcnHeadName(absl::string_view name, int64_t convolutions);

}  // namespace seg
