#pragma once

// Atrous spatial pyramid pooling and the head of DeepLabV3 (Chen et al., "Rethinking atrous convolution for semantic
// image segmentation", 2017, figure 5) in the variants of the public packages. With CBRk a k×k convolution without
// bias, batch normalisation, ReLU:
//
//   branches      CBR1;  CBR3 of each dilation in `rates`;  global average → CBR1 → spread over the map
//   projection    CBRp(concatenation) → width
//   head          projection → dropout → [CBR3] → dropout → 1×1 convolution with bias
//
//                              torchvision       mmseg           SSSegmentation     the paper's rates
//   width                      256               512             512
//   rates at output stride 8   12 24 36          12 24 36        12 24 36           12 24 36  (6 12 18 at 16)
//   pooled branch              last              first           last
//   projection_kernel p        1                 3               3
//   projection_dropout         0.5, elements     0               0
//   refine (the CBR3)          yes               no              no
//   dropout                    0                 0.1, channels   0.1, channels

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/linear.h"
#include "seg/decoders/fcn_head.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

struct AsppConfig {
  int64_t width = 256;
  std::vector<int64_t> rates{12, 24, 36};
  bool pool_first = false;  // in the concatenation
  int64_t projection_kernel = 1;
  nn::BatchNormOptions norm = {};
  nn::Initializer weight_initializer = nn::FanInUniform();
};

struct Aspp {
  Aspp(int64_t inputs, const AsppConfig& config, RandomKey key);

  // x [n, h, w, inputs] → [n, h, w, width]. In training the pooled branch has one value an image and channel: n > 1.
  Variable operator()(const Variable& x, const nn::Context& context);
  // As in torchvision: convs.{0 … rates}.{0,1}, convs.{rates + 1}.{1,2} (the pooled branch), project.{0,1}
  void Fields(nn::FieldVisitor& visitor);

  AsppConfig config;
  std::vector<nn::ConvNormAct> branches;
  nn::ConvNormAct pooled;
  nn::ConvNormAct projection;
};

struct DeepLabHeadConfig {
  AsppConfig aspp = {};
  double projection_dropout = 0.5;  // of elements
  bool refine = true;
  double dropout = 0;  // of whole channels, before the classifier
  HeadInitializers initializers = {};

  static DeepLabHeadConfig Mmseg();
};

struct DeepLabHead {
  DeepLabHead(int64_t inputs, int64_t classes, const DeepLabHeadConfig& config, RandomKey key);

  // x [n, h, w, inputs] → logits [n, h, w, classes].
  // `embedding`, where it is asked for, becomes the map that dropout and the classifier read.
  Variable operator()(const Variable& x, const nn::Context& context, Variable* embedding = nullptr);
  // The head's smallest batch norm, whatever h·w = `pixels` of x is: the pooled branch has one value an image.
  static NormExtent SmallestNorm(int64_t /*pixels*/) { return {1, "image pooling"}; }
  // As in torchvision: 0 (ASPP), 1, 2 (convolution and norm of the CBR3), 4 (classifier)
  void Fields(nn::FieldVisitor& visitor);

  DeepLabHeadConfig config;
  Aspp aspp;
  std::optional<nn::ConvNormAct> refinement;
  nn::Linear classifier;
};

// The name in a DeepLabHead with so many rates for a name of mmseg's ("aspp_modules.1.conv.weight", without
// "decode_head.") or SSSegmentation's ("aspp_net.global_branch.1.weight", "decoder.1.bias"). Other names stay as they
// are.
std::string DeepLabHeadName(absl::string_view name, size_t rates);

}  // namespace seg
