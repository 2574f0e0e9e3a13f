#pragma once

// Segmenter (Strudel et al., "Segmenter: Transformer for semantic segmentation", ICCV 2021): a plain vision transformer, its patches classified
// by a mask transformer or a linear layer. Names and numbers are those of the authors' code, rstrudel/segmenter. RSS trains it with EVA-02-L;
// whether over a final norm the paper does not say: here there is one, which files with "fc_norm" fill.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/mask_transformer.h"
#include "seg/encoders/eva02.h"
#include "seg/encoders/vit.h"

namespace seg {

struct SegmenterConfig {
  enum class Decoder : uint8_t { kMaskTransformer, kLinear };

  int64_t classes = 59;
  std::variant<ViTConfig, Eva02Config> encoder;
  Decoder decoder = Decoder::kMaskTransformer;
  MaskTransformerConfig mask_transformer;
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// By the encoder: a name of ConfigureViT or, but for "micro", of ConfigureEva02; "eva02_micro" is the latter's. Micro ones have a decoder with two
// heads and without dropout.
absl::StatusOr<SegmenterConfig> ConfigureSegmenter(absl::string_view encoder, int64_t classes);

struct Segmenter {
  // The prefix of the last layer, for RateFactor: the norm over the classes, with one factor and one shift a class. Of the parameters that a class has of
  // its own it alone acts on the logits; the class embeddings pass through the blocks and the products. Of linear decoders, LastLayer().
  static constexpr char kLastLayer[] = "decoder.mask_norm";

  Segmenter(const SegmenterConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → logits [n, ⌈h / patch⌉, ⌈w / patch⌉, classes] in float32. The caller resizes them: where patches divide the image
  // as SegmentationLoss does, elsewhere by ResizeLogits.
  Variable operator()(const Variable& images, const nn::Context& context);
  void Fields(nn::FieldVisitor& visitor);  // encoder, decoder

  // The layer whose learning rate RSS multiplies: kLastLayer, or "decoder.head" of a linear decoder.
  const char* LastLayer() const;
  int64_t patch() const;
  PatchTokens& patch_tokens();

  SegmenterConfig config;
  // One of each two.
  std::optional<ViT> vit;
  std::optional<Eva02> eva02;
  std::optional<MaskTransformer> mask_transformer;
  std::optional<LinearDecoder> linear;
};

// Bilinear to the size that was padded to patches, without what was padded: logits [n, ⌈height / patch⌉, ⌈width / patch⌉, k] → [n, height, width, k].
Variable ResizeLogits(const Variable& logits, int64_t patch, int64_t height, int64_t width);

// The name here for a name in a file of rstrudel/segmenter's or mmseg's; "" for what is not needed.
std::string SegmenterName(const std::string& name);

// Loads a trained network of this code, rstrudel/segmenter or mmseg, whose two projections are transposed; positions and patches may have other
// sizes (LoadPatchWeights). Not strict: what fits, such as all but the classes.
absl::StatusOr<nn::LoadReport> LoadSegmenter(const std::string& path, Segmenter& model, bool strict = true);

}  // namespace seg
