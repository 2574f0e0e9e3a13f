#pragma once

// Vision transformers (Dosovitskiy et al., "An image is worth 16×16 words: transformers for image recognition at
// scale", ICLR 2021) under timm's names, so that timm's weight files load and timm loads what is saved here.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/blocks/transformer_block.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/layers/normalization.h"
#include "seg/encoders/patch_tokens.h"

namespace seg {

struct ViTConfig {
  int64_t patch = 16;
  int64_t width = 768;
  int64_t depth = 12;
  int64_t heads = 12;
  // (image_size / patch)² positions are learned: the size of the training crops. Files with others are resized at
  // loading, images with others at each pass.
  int64_t image_size = 224;
  double epsilon = 1e-6;   // of all norms: timm's and mmseg's; rstrudel/segmenter trains with 1e-5
  double drop_path = 0.1;  // of the last block; the first has 0
  bool final_norm = true;
  PositionFilter position_filter = PositionFilter::kBicubic;  // for files and images of other sizes
  bool patch_bias = true;                                     // SSSegmentation's SETR for Cityscapes has none
  // Blocks, from 0, whose outputs are returned as well; SETR takes 9, 14, 19, 23 of ViT-L.
  std::vector<int64_t> taps = {};
  // Keeps only the blocks' inputs for the backward pass and computes the rest again.
  bool checkpoint_blocks = false;
};

// "vit_base_patch16", "vit_large_patch16": timm's; "micro" (patch 8, width 64, depth 4, heads 2, images of 64, no
// stochastic depth) is for demonstrations on a CPU and has no public weights. NotFound, with the list, for anything
// else.
absl::StatusOr<ViTConfig> ConfigureViT(absl::string_view name);

struct ViT {
  ViT(const ViTConfig& config, RandomKey key);

  // images [n, h, w, 3] of any size → maps of ⌈h / patch⌉ × ⌈w / patch⌉.
  TransformerFeatures operator()(const Variable& images, const nn::Context& context);
  // cls_token, pos_embed, patch_embed.proj, blocks.i.{norm1, attn.qkv, attn.proj, norm2, mlp.fc1, mlp.fc2}, norm
  void Fields(nn::FieldVisitor& visitor);

  ViTConfig config;
  PatchTokens tokens;
  std::vector<nn::TransformerBlock> blocks;
  std::optional<nn::LayerNorm> norm;
};

// timm's name for the rest of a name behind mmseg's "layers.i." or Hugging Face's "layer.i.": "ln1.bias" is
// "norm1.bias". Query, key and value of Hugging Face, three matrices, become "attn.q_proj", "attn.k_proj" and
// "attn.v_proj".
std::string TransformerBlockTimmName(absl::string_view part);

// timm's name for a name of timm's (DeiT's are the same), Hugging Face's, mmseg's (SSSegmentation's are the same) or
// rstrudel/segmenter's files; "" for what the encoder does not have: classifiers, poolers, mask tokens, decoders.
// Leading "model.", "module.", "backbone.", "backbone_net." and "encoder." are dropped.
std::string ViTTimmName(const std::string& name);

// Loads public weights into an encoder: everything must fit, but for the size of the position embedding
// (LoadPatchWeights), and for a final norm and the patches' bias, which are left out where the encoder has none.
absl::StatusOr<nn::LoadReport> LoadViT(const std::string& path, ViT& encoder);

}  // namespace seg
