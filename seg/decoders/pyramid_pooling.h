#pragma once

// The pyramid pooling head of PSPNet (Zhao et al., "Pyramid scene parsing network", CVPR 2017, §3.2 and figure 3) in
// the variants of the public packages. With CBRk a k×k convolution without bias, batch normalisation, ReLU:
//
//   branches      for each b in `bins`: means over b × b bins of the map → CBR1 → bilinear resize to the map
//   head          CBR3 of [x, the branches in the order of `bins`] → dropout → 1×1 convolution with bias
//
//                     mmseg       SSSegmentation   semseg
//   align_corners     no          no               yes      (of the branches' resize)
//   initializers      mmseg's     PyTorch's        PyTorch's
//
// All three have width 512, bins 1 2 3 6 and drop whole channels with 0.1.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nn/context.h"
#include "nn/layers/conv_norm_act.h"
#include "nn/layers/linear.h"
#include "seg/decoders/fcn_head.h"
#include "seg/decoders/norm_extent.h"

namespace seg {

struct PyramidPoolingConfig {
  int64_t width = 512;  // of every branch, and of the features that the classifier reads
  // Bins along each side of the map. Bin i of b covers the pixels [⌊i·h/b⌋, ⌈(i + 1)·h/b⌉) of h: bins may overlap, and
  // a map may be smaller than they are many.
  std::vector<int64_t> bins{1, 2, 3, 6};
  bool align_corners = false;
  double dropout = 0.1;
  bool drop_channels = true;  // whole channels of an image instead of single elements
  nn::BatchNormOptions norm = {};
  HeadInitializers initializers = {};

  static PyramidPoolingConfig Mmseg();
  static PyramidPoolingConfig Semseg();
};

struct PyramidPooling {
  PyramidPooling(int64_t inputs, int64_t classes, const PyramidPoolingConfig& config, RandomKey key);

  // x [n, h, w, inputs] → logits [n, h, w, classes]. In training a 1×1 bin has one value an image and channel: n > 1.
  // `embedding`, where it is asked for, becomes the map that dropout and the classifier read.
  Variable operator()(const Variable& x, const nn::Context& context, Variable* embedding = nullptr);
  // The head's smallest batch norm, for an x of h·w = `pixels`.
  NormExtent SmallestNorm(int64_t pixels) const;
  // 0, 1 (convolution and norm of the CBR3) and 4 (classifier), as in FcnHead; psp_modules.{0 … bins − 1}.1.{conv,bn},
  // as in mmseg.
  void Fields(nn::FieldVisitor& visitor);

  PyramidPoolingConfig config;
  std::vector<nn::ConvNormAct> branches;
  nn::ConvNormAct bottleneck;
  nn::Linear classifier;
};

// The name in a PyramidPooling for a name of mmseg's ("bottleneck.bn.weight", without "decode_head."), SSSegmentation's
// ("ppm_net.branches.0.1.weight", "decoder.1.bias") or semseg's ("ppm.features.0.1.weight", "cls.4.bias"). Other names
// stay as they are.
std::string PyramidPoolingName(absl::string_view name);

}  // namespace seg
