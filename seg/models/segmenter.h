#pragma once

// Segmenter (Strudel et al., "Segmenter: Transformer for semantic segmentation", ICCV 2021): a plain vision transformer
// whose patches a mask transformer or a linear layer classifies. Names and numbers are those of the authors' code,
// rstrudel/segmenter. RSS trains Segmenter with EVA-02-L; whether EVA-02 ends in a norm there, the RSS paper does not
// say: here it does, and files with "fc_norm" fill it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/mask_transformer.h"
#include "seg/encoders/eva02.h"
#include "seg/encoders/vit.h"
#include "seg/models/model.h"

namespace seg {

struct SegmenterConfig {
  enum class Decoder : uint8_t { kMaskTransformer, kLinear };

  int64_t classes = 59;
  std::variant<ViTConfig, Eva02Config> encoder;
  Decoder decoder = Decoder::kMaskTransformer;
  MaskTransformerConfig mask_transformer;
  int64_t extra_latent_channels = 0;  // that Decode finds behind the encoder's (seg/models/model.h)
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// A Segmenter on the encoder of that name: ConfigureViT's, or ConfigureEva02's but for "micro", which is "eva02_micro"
// here; NotFound for others. Micro ones have a decoder with two heads and without dropout.
absl::StatusOr<SegmenterConfig> ConfigureSegmenter(absl::string_view encoder, int64_t classes);

struct Segmenter {
  Segmenter(const SegmenterConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → the encoder's configured taps, if any, in their order, and its map, the last; all
  // are [n, ⌈h / patch⌉, ⌈w / patch⌉, width].
  Features Encode(const Variable& images, const nn::Context& context);
  // features, of which the map alone is read → logits [n, ⌈h / patch⌉, ⌈w / patch⌉, classes] in float32. The caller
  // resizes the logits: where patches divide the image as SegmentationLoss does, elsewhere by ResizeLogits.
  Variable Decode(const Features& features, const nn::Context& context);
  // images [n, h, w, 3], normalised → logits as Decode returns them.
  Variable operator()(const Variable& images, const nn::Context& context);
  void Fields(nn::FieldVisitor& visitor);  // encoder, decoder
  // LoadViT or LoadEva02.
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path);

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const;                                 // the side of a patch
  size_t latent_tap() const;                                     // the map
  static int64_t LatentChannels(const SegmenterConfig& config);  // the encoder's width
  // "decoder.mask_norm": the norm over the classes, with one factor and one shift a class. Of the parameters that a
  // class has of its own, only the norm's act on the logits directly; the class embeddings pass through the blocks and
  // the products. A linear decoder's is "decoder.head".
  std::string last_layer() const;
  // There are no batch norms.
  std::optional<NormExtent> SmallestNorm(int64_t /*height*/, int64_t /*width*/) const { return std::nullopt; }
  PatchTokens& patch_tokens();

  SegmenterConfig config;
  // One of vit and eva02, one of mask_transformer and linear.
  std::optional<ViT> vit;
  std::optional<Eva02> eva02;
  std::optional<MaskTransformer> mask_transformer;
  std::optional<LinearDecoder> linear;
};

// logits [n, ⌈height / patch⌉, ⌈width / patch⌉, k] → [n, height, width, k]: resized, bilinearly, to the size that
// images of height × width are padded to, and cut to the images' own.
Variable ResizeLogits(const Variable& logits, int64_t patch, int64_t height, int64_t width);

// The name in Segmenter's fields for a `name` in a file of rstrudel/segmenter's or mmseg's; "" for tensors that
// Segmenter does not have.
std::string SegmenterName(const std::string& name);

// Loads a trained network of this code, of rstrudel/segmenter, or of mmseg (whose two projections are transposed) into
// `model`; positions and patches may have other sizes (LoadPatchWeights). Unless `strict`, only tensors that fit are
// loaded, such as all but the classes'.
absl::StatusOr<nn::LoadReport> LoadSegmenter(const std::string& path, Segmenter& model, bool strict = true);

}  // namespace seg
