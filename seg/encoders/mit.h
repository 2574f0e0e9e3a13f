#pragma once

// MiT, the encoder of SegFormer (Xie et al., "SegFormer: Simple and efficient design for semantic segmentation with
// transformers", NeurIPS 2021, section 3.1 and table 6), as a pyramid of features, under the names of Hugging Face's
// transformers behind "segformer.encoder.". Files of NVlabs/SegFormer, mmseg and SSSegmentation load as well.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/blocks/mix_transformer_block.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/layers/convolution.h"
#include "nn/layers/normalization.h"
#include "seg/encoders/mit_names.h"

namespace seg {

using autograd::RandomKey;
using autograd::Variable;

struct MiTConfig {
  std::array<int64_t, 4> dims{64, 128, 320, 512};  // channels of each stage
  std::array<int64_t, 4> depths{2, 2, 2, 2};       // blocks
  std::array<int64_t, 4> heads{1, 2, 5, 8};
  std::array<int64_t, 4> reductions{8, 4, 2, 1};  // pixels of a side that become one key
  double drop_path = 0.1;                         // of the last block of the last stage; the first block has 0
  MiTEpsilons epsilons = MiTEpsilons::Of(MiTPackage::kHuggingFace);
  // Keeps only the blocks' inputs for the backward pass and computes the rest again.
  bool checkpoint_blocks = false;
};

// "mit_b0" … "mit_b5"; "micro" (dims 16 32 40 64, one block a stage, no stochastic depth) is for demonstrations on a
// CPU and has no public weights. The norms have Hugging Face's ε, with "_nvidia" behind the name NVlabs', with "_mmseg"
// mmseg's and SSSegmentation's (mit_names.h). NotFound, with the list, for anything else.
absl::StatusOr<MiTConfig> ConfigureMiT(absl::string_view size);

// Convolution, norm, blocks, norm.
struct MiTStage {
  nn::Conv2d projection;
  nn::LayerNorm projection_norm;
  std::vector<nn::MixTransformerBlock> blocks;
  nn::LayerNorm norm;
};

struct MiT {
  MiT(const MiTConfig& config, RandomKey key);

  // images [n, h, w, 3] → C1 … C4, the normalised outputs of the four stages: [n, ⌈h/s⌉, ⌈w/s⌉, dims[i]] at strides s =
  // 4, 8, 16, 32. An Error for images that Fits denies.
  std::array<Variable, 4> operator()(const Variable& images, const nn::Context& context);
  // patch_embeddings.i.{proj, layer_norm}, block.i.j.{layer_norm_1, attention.self.{query, key, value, sr, layer_norm},
  // attention.output.dense, layer_norm_2, mlp.{dense1, dwconv.dwconv, dense2}}, layer_norm.i
  void Fields(nn::FieldVisitor& visitor);

  // The stride of the last tap, at which no reduction leaves a pixel out.
  int64_t size_multiple() const { return 32; }
  // Whether images of height × width leave each stage a key: 29 pixels a side do with the reductions 8 4 2 1.
  bool Fits(int64_t height, int64_t width) const;
  // Pixels of each tap for images of height × width.
  static std::array<int64_t, 4> TapPixels(int64_t height, int64_t width);

  MiTConfig config;
  std::vector<MiTStage> stages;
};

// Loads public weights of the encoder, from a file of it alone or of a whole network, whose classifier or head is left
// out: everything else must fit. The report has the names of the file's package. FailedPrecondition, naming what
// differs, where the file is of a package whose norms have another ε than `encoder`.
absl::StatusOr<nn::LoadReport> LoadMiT(const std::string& path, MiT& encoder);

}  // namespace seg
