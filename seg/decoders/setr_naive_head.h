#pragma once

// The naive upsampling head of SETR (Zheng et al., "Rethinking semantic segmentation from a sequence-to-sequence
// perspective with transformers", CVPR 2021) in the variants of the public packages; auxiliary heads are the same thing
// on an earlier block:
//
//   LayerNorm (ε 1e-6) → `convolutions` times [convolution, batch norm, ReLU, bilinear resize by `scale`, without
//   aligned corners] → dropout of channels → 1×1 convolution with bias
//
//                                               convolutions   kernel   with bias   scale
//   the authors' (fudan-zvg/SETR)                     1           1        yes        1
//   mmseg                                             1           1        no         4
//   mmseg, ADE20K's auxiliary heads                   2           1        no         4
//   SSSegmentation, ADE20K and VOC                    2           3        no         4
//   SSSegmentation, Cityscapes                        1           1        no         4
//
// All have 256 channels and no dropout.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nn/context.h"
#include "nn/layers/convolution.h"
#include "nn/layers/linear.h"
#include "nn/layers/normalization.h"
#include "seg/decoders/fcn_head.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

struct SetrNaiveHeadConfig {
  int64_t width = 256;
  int64_t convolutions = 1;  // at least 1
  int64_t kernel = 1;        // of the convolutions; odd
  bool convolution_bias = false;
  int64_t scale = 4;
  double dropout = 0;
  double epsilon = 1e-6;  // of the LayerNorm
  nn::BatchNormOptions norm = {};
  HeadInitializers initializers = {};

  static SetrNaiveHeadConfig Fudan() { return {.convolution_bias = true, .scale = 1}; }
  static SetrNaiveHeadConfig Mmseg() { return {.initializers = HeadInitializers::Mmseg()}; }
  static SetrNaiveHeadConfig MmsegAuxiliary() { return {.convolutions = 2, .initializers = HeadInitializers::Mmseg()}; }
  static SetrNaiveHeadConfig Sssegmentation() { return {.convolutions = 2, .kernel = 3}; }
  static SetrNaiveHeadConfig SssegmentationCityscapes() { return {}; }
};

struct SetrNaiveHead {
  SetrNaiveHead(int64_t inputs, int64_t classes, const SetrNaiveHeadConfig& config, RandomKey key);

  // map [n, h, w, inputs] → logits [n, h·s, w·s, classes] in float32, s = scale^convolutions.
  Variable operator()(const Variable& map, const nn::Context& context);
  // The head's smallest batch norm, for a map of `pixels`: later ones see more.
  static NormExtent SmallestNorm(int64_t pixels) { return {pixels, "head on the patches"}; }
  // As in mmseg: norm, up_convs.i.0.{conv,bn}, conv_seg.
  void Fields(nn::FieldVisitor& visitor);

  SetrNaiveHeadConfig config;
  nn::LayerNorm norm;
  std::vector<nn::Conv2d> convolutions;
  std::vector<nn::BatchNorm2d> norms;
  nn::Linear classifier;
};

// The name in a head of that many convolutions for a name of the authors' ("conv_0.weight", "syncbn_fc_0.bias",
// "norm.bias", without "decode_head."); "" for conv_seg, which their code makes and never calls.
std::string SetrHeadNameOfFudan(absl::string_view name, int64_t convolutions);
// The same for a place in SSSegmentation's sequence: "9.bias". Other names stay as they are.
std::string SetrHeadNameOfSssegmentation(absl::string_view name, int64_t convolutions);

}  // namespace seg
