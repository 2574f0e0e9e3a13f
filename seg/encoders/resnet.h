#pragma once

// ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) with bottlenecks, as a pyramid of
// features, under torchvision's names: its weight files load, and torchvision loads what is saved here. Strides become
// dilations for output strides 16, 8 and 4.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/blocks/bottleneck.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

enum class ResNetStem : uint8_t {
  kSingle,  // 7×7 of stride 2: torchvision; conv1, bn1
  // Three 3×3, the first of stride 2, the first two of half the width: ResNet-C (He et al., CVPR 2019); 32 32 64 in
  // mmseg's ResNetV1c, 64 64 128 in semseg; stem.0 … 7.
  kDeep,
};

struct ResNetConfig {
  std::array<int64_t, 4> depths{3, 4, 6, 3};         // blocks of each stage
  std::array<int64_t, 4> widths{64, 128, 256, 512};  // of the 3×3 convolutions; a stage has 4 times as many outputs
  ResNetStem stem = ResNetStem::kSingle;
  int64_t stem_width = 64;
  int64_t output_stride = 32;  // the largest that a tap has: 32, 16, 8 or 4
  // The first so many of the four; the later ones are not there, and their taps undefined. Files that have more load.
  int64_t stages = 4;
  // The first block of a stage that lost its stride keeps the dilation of the stage before (torchvision, mmseg's
  // published configurations) instead of having the stage's own (semseg).
  bool contract_dilation = true;
  // Factors of the last stage's dilation, one a block, the first block included (Chen et al., "Rethinking atrous
  // convolution", 2017, §3.2.1): 1 2 4 at output stride 8 is dilation 4 8 16. Empty: none.
  std::vector<int64_t> multi_grid = {};
  nn::BatchNormOptions norm = {};
  bool zero_last_norm = false;  // of every block; mmseg's choice for training from scratch
  // Keeps only the blocks' inputs for the backward pass and computes the rest again.
  bool checkpoint_blocks = false;

  // Channels of the taps.
  std::array<int64_t, 4> OutputChannels() const;
  // The stride of the last tap.
  int64_t size_multiple() const { return std::min(output_stride, int64_t{2} << stages); }
};

// "resnet50", "resnet101", "resnet152": torchvision's; "resnet50_v1c", "resnet101_v1c": with mmseg's deep stem;
// "resnet50_semseg", "resnet101_semseg": with semseg's wider one and its dilations; "micro" (depths 1 1 1 1, widths 8
// 16 32 64, stem 16) is for demonstrations on a CPU and has no public weights. NotFound, with the list, for anything
// else.
absl::StatusOr<ResNetConfig> ConfigureResNet(absl::string_view size);

struct ResNet {
  ResNet(const ResNetConfig& config, RandomKey key);

  // images [n, h, w, 3] → C2 … C5, the outputs of the four stages: [n, ⌈h/s⌉, ⌈w/s⌉, 4·widths[i]] at strides s = 4, 8,
  // 16, 32, none above output_stride. Undefined for stages that are not there. `sums`, where they are asked for, become
  // what the last ReLU of each stage reads; the last block of a stage is then kept whole even with checkpoint_blocks.
  std::array<Variable, 4> operator()(const Variable& images, const nn::Context& context,
                                     std::vector<Variable>* sums = nullptr);
  // conv1, bn1 (or stem.{0,1,3,4,6,7}), layer{1,2,3,4}.b.{conv1, bn1, conv2, bn2, conv3, bn3, downsample.0,
  // downsample.1}
  void Fields(nn::FieldVisitor& visitor);

  // The stride of the last tap.
  int64_t size_multiple() const { return config.size_multiple(); }
  // Pixels of the last tap for images of height × width.
  int64_t LastTapPixels(int64_t height, int64_t width) const {
    const int64_t stride = size_multiple();
    return ((height + stride - 1) / stride) * ((width + stride - 1) / stride);
  }

  ResNetConfig config;
  std::vector<nn::Conv2d> stem_convolutions;  // one or three
  std::vector<nn::BatchNorm2d> stem_norms;
  std::array<std::vector<nn::Bottleneck>, 4> stages;
};

// The encoder's name for a name of torchvision's, timm's, mmseg's or SSSegmentation's files, or of semseg's PSPNet
// (layer0.… is the stem); "" for classifiers and heads. Leading "module.", "model.", "backbone." and
// "backbone_net." are dropped.
std::string ResNetTorchvisionName(const std::string& name);

// Loads public weights into an encoder: everything must fit but for stages that it does not have. A deep stem may also
// be called as in the files of semseg's classification networks: conv1, bn1, conv2, bn2, conv3, bn3.
absl::StatusOr<nn::LoadReport> LoadResNet(const std::string& path, ResNet& encoder);

}  // namespace seg
