#pragma once

// ConvNeXt V2 (Woo et al., "ConvNeXt V2: Co-designing and scaling ConvNets with masked autoencoders", CVPR 2023) as a
// pyramid of features, under timm's names, so that timm's weight files load and timm loads what is saved here. Layer
// scale is absent, GRN present, and the taps are not normalised, as in timm.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/blocks/convnext_v2_block.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

struct ConvNeXtV2Config {
  std::array<int64_t, 4> depths{2, 2, 8, 2};  // blocks of each stage
  std::array<int64_t, 4> dims{80, 160, 320, 640};
  int64_t stem_stride = 4;  // of the patches; 2 keeps small images (64×64) usable: all strides halve
  double drop_path = 0.1;   // of the last block; the first has 0
  // How public files store fc1 and fc2; either form is read.
  nn::Layout mlp_layout = nn::Layout::kPointwiseConv2d;
  // Keeps only the blocks' inputs for the backward pass and computes the rest again.
  bool checkpoint_blocks = false;

  // Channels of the taps.
  std::array<int64_t, 4> OutputChannels() const { return dims; }
};

// "atto", "femto", "pico", "nano", "tiny": timm's convnextv2_*; "micro" (depths 1 1 2 1, dims 16 32 64 128, no
// stochastic depth) is for demonstrations on a CPU and has no public weights. NotFound, with the list, for anything
// else.
absl::StatusOr<ConvNeXtV2Config> ConfigureConvNeXtV2(absl::string_view size);

struct ConvNeXtV2 {
  struct Stage {
    // Null in the first stage: no down-sampling.
    std::optional<nn::LayerNorm> downsample_norm;
    std::optional<nn::Conv2d> downsample_convolution;
    std::vector<nn::ConvNeXtV2Block> blocks;
    void Fields(nn::FieldVisitor& visitor);
  };

  ConvNeXtV2(const ConvNeXtV2Config& config, RandomKey key);

  // images [n, h, w, 3] → the outputs of the four stages, [n, h / s, w / s, dims[i]] with s = stem_stride·2^i, rounded
  // down.
  std::array<Variable, 4> operator()(const Variable& images, const nn::Context& context);
  // stem.0, stem.1, stages.s.downsample.0/1, stages.s.blocks.b.{conv_dw, norm, mlp.fc1, mlp.grn, mlp.fc2}
  void Fields(nn::FieldVisitor& visitor);

  // The stride of the last tap.
  int64_t size_multiple() const { return 8 * config.stem_stride; }
  // Pixels of the last tap for images of height × width.
  int64_t LastTapPixels(int64_t height, int64_t width) const {
    return (height / size_multiple()) * (width / size_multiple());
  }

  ConvNeXtV2Config config;
  nn::Conv2d stem_convolution;
  nn::LayerNorm stem_norm;
  std::vector<Stage> stages;
};

// timm's name for a name of the original repository's, Hugging Face's or timm's own files; "" for classifiers, final
// norms and mask tokens, which the encoder does not have. Leading "model.", "module." and "backbone." are dropped.
std::string ConvNeXtV2TimmName(const std::string& name);

// Loads public weights into an encoder: everything must fit.
absl::StatusOr<nn::LoadReport> LoadConvNeXtV2(const std::string& path, ConvNeXtV2& encoder);

}  // namespace seg
