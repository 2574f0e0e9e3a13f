#pragma once

// What the plain vision transformers share: an image as tokens (patches, class token, learned positions), a row of
// blocks with taps, and the loading of positions and patch kernels of another size.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nn/checkpoints/weights.h"
#include "nn/layers/convolution.h"

namespace seg {

using autograd::Parameter;
using autograd::RandomKey;
using autograd::Variable;

// What an encoder makes of images.
struct TransformerFeatures {
  Variable map;                // [n, h, w, width]: the last block's tokens, after the final norm where there is one
  std::vector<Variable> taps;  // [n, h, w, width]: the outputs of the chosen blocks, without it
};

struct TokenGrid {
  Variable tokens;  // [n, 1 + height·width, width], the class token first
  int64_t height = 0, width = 0;
};

// The patches as a map [n, height, width, c], row by row; without the class token.
Variable PatchMap(const TokenGrid& grid);

// How learned positions become those of another grid.
enum class PositionFilter : uint8_t {
  kBicubic,   // antialiased: timm's resample_abs_pos_embed
  kBilinear,  // without aligned corners: SETR's, in its authors' code, mmseg and SSSegmentation
};

// The class token's row stays, the others, a square grid, are resized.
//   positions [1, 1 + side², c] -> [1, 1 + height·width, c]
Variable ResizePositions(const Variable& positions, int64_t height, int64_t width,
                         PositionFilter filter = PositionFilter::kBicubic);

struct PatchTokensOptions {
  int64_t patch = 16;
  int64_t width = 768;
  int64_t image_size = 224;  // (image_size / patch)² positions are learned
  double class_token_deviation = 1e-6;
  PositionFilter position_filter = PositionFilter::kBicubic;
  bool bias = true;  // of the patches' projection
};

// Fields, as timm's: cls_token [1, 1, c], pos_embed [1, 1 + side², c], patch_embed.proj.
struct PatchTokens {
  PatchTokens(const PatchTokensOptions& options, RandomKey key);

  // images [n, h, w, 3] of any size: zeros are added at the bottom and on the right up to a multiple of the patch
  // (where timm has dynamic_img_pad), and the positions are resized where the grid is not the learned one.
  TokenGrid operator()(const Variable& images);
  void Fields(nn::FieldVisitor& visitor);

  Parameter class_token, positions;
  nn::Conv2d projection;
  int64_t patch;
  PositionFilter position_filter;
};

// Block after block; `block(i, x)` runs one. `taps` are indices from 0. With `checkpoint`, only the blocks' inputs are
// kept for the backward pass. The map is the last block's output.
TransformerFeatures RunBlocks(TokenGrid grid, int64_t depth, const std::vector<int64_t>& taps, bool checkpoint,
                              const std::function<Variable(int64_t, const Variable&)>& block);

// nn::LoadWeights into a module that holds `tokens`, but for two tensors that may have another size in the file:
//   pos_embed of another square grid becomes the model's by ResizePositions;
//   patch_embed.proj.weight of another patch becomes the model's by the bicubic filter without antialiasing, as
//   EVA-02's authors made their files "p14to16" (timm solves for a pseudo-inverse instead).
absl::StatusOr<nn::LoadReport> LoadPatchWeights(const std::string& path, const nn::ModuleReference& module,
                                                PatchTokens& tokens, const nn::LoadOptions& options);

}  // namespace seg
