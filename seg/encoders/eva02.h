#pragma once

// EVA-02 (Fang et al., "EVA-02: A visual representation for neon genesis", 2023), base and large, under timm's names
// and with timm's numbers: learned and rotary positions together, SwiGLU with a norm inside, no key bias.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/blocks/eva02_block.h"
#include "nn/checkpoints/weights.h"
#include "nn/context.h"
#include "nn/layers/normalization.h"
#include "seg/encoders/patch_tokens.h"

namespace seg {

struct Eva02Config {
  int64_t patch = 14;
  int64_t width = 1024;
  int64_t depth = 24;
  int64_t heads = 16;
  int64_t image_size = 448;    // (image_size / patch)² positions are learned, as in ViTConfig
  double reference_grid = 16;  // rotary coordinates run from 0 to this over any grid: timm's ref_feat_shape
  double epsilon = 1e-6;       // of all norms
  double drop_path = 0.2;      // of the last block; the first has 0
  // Over the last block's tokens. timm pools before it (fc_norm) and its files have one; files without any need
  // final_norm = false.
  bool final_norm = true;
  // Blocks, from 0, whose outputs are returned as well; EVA-02's UPerNet takes 7, 11, 15, 23.
  std::vector<int64_t> taps = {};
  // Keeps only the blocks' inputs for the backward pass and computes the rest again.
  bool checkpoint_blocks = false;
};

// "eva02_large_patch14": timm's eva02_large_patch14_448; "eva02_large_patch14to16": the same with patches of 16 for
// images of 512, whose kernel and positions LoadEva02 resizes from a file with 14; "micro" (patch 8, width 64, depth 4,
// heads 2, images of 64, no stochastic depth) is for demonstrations on a CPU and has no public weights. NotFound, with
// the list, for anything else.
absl::StatusOr<Eva02Config> ConfigureEva02(absl::string_view name);

// For a class token, unturned, and a grid of patches row by row: 1 + height·width rows. With b = head_width / 4 and
// frequencies f_k = 10000^(−k/b), pairs 0 … b − 1 are turned by y·reference/height·f_k, pairs b … 2b − 1 by
// x·reference/width·f_k.
nn::RotaryTable Eva02Rotation(int64_t height, int64_t width, int64_t head_width, double reference_grid);

struct Eva02 {
  Eva02(const Eva02Config& config, RandomKey key);

  // images [n, h, w, 3] of any size → maps of ⌈h / patch⌉ × ⌈w / patch⌉.
  TransformerFeatures operator()(const Variable& images, const nn::Context& context);
  // cls_token, pos_embed, patch_embed.proj, blocks.i.{norm1, attn.{q_proj, k_proj, v_proj, proj}, norm2,
  // mlp.{fc1_g, fc1_x, norm, fc2}}, norm
  void Fields(nn::FieldVisitor& visitor);

  Eva02Config config;
  PatchTokens tokens;
  std::vector<nn::Eva02Block> blocks;
  std::optional<nn::LayerNorm> norm;
};

// timm's name for a name of timm's or the authors' (BAAI's) files; "fc_norm" is "norm". "" for classifiers, mask
// tokens, rotary tables and key biases, which are zero. Leading "model.", "module.", "model_ema.", "backbone." and
// "encoder." are dropped.
std::string Eva02TimmName(const std::string& name);

// Loads public weights into an encoder: everything must fit, but for the sizes of positions and patches
// (LoadPatchWeights).
absl::StatusOr<nn::LoadReport> LoadEva02(const std::string& path, Eva02& encoder);

}  // namespace seg
