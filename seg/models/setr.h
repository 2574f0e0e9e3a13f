#pragma once

// SETR-Naive (Zheng et al., "Rethinking semantic segmentation from a sequence-to-sequence perspective with
// transformers", CVPR 2021): a plain vision transformer and a head of a few convolutions, with auxiliary heads on three
// of its earlier blocks, in the variants of the authors' code (fudan-zvg/SETR), mmseg and SSSegmentation. The latent
// paper trains SSSegmentation's.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/setr_naive_head.h"
#include "seg/encoders/vit.h"
#include "seg/models/model.h"

namespace seg {

struct SetrConfig {
  int64_t classes = 150;
  // Its taps are what the auxiliary heads are on. The main head is on the last block, without a norm between, so that
  // final_norm is false.
  ViTConfig encoder = {.drop_path = 0, .final_norm = false, .position_filter = PositionFilter::kBilinear};
  SetrNaiveHeadConfig head = {};
  bool auxiliary = false;  // a head on each tap for training (the packages weight the loss of each with 0.4)
  SetrNaiveHeadConfig auxiliary_head = {};
  int64_t extra_latent_channels = 0;  // that Decode finds behind the encoder's (seg/models/model.h)
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// "vit_large_patch16": SSSegmentation's for ADE20K and VOC (two 3×3 convolutions, positions of images of 512);
// with "_cityscapes" behind it its one for Cityscapes (one 1×1 convolution, 768, patches without bias), with "_mmseg"
// mmseg's for ADE20K (one 1×1 convolution, two in the auxiliary heads, 512; its one for Cityscapes has auxiliary_head =
// head and 768), with "_fudan" the authors' (512). All have taps at blocks 9, 14 and 19 and no stochastic depth.
// "micro" is SSSegmentation's form on ConfigureViT's micro, with taps at its first three blocks, width 32 and scale 2.
// NotFound, with the list, for anything else.
absl::StatusOr<SetrConfig> ConfigureSetr(absl::string_view size, int64_t classes);

struct Setr {
  Setr(const SetrConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → the encoder's taps and the last block's output, all [n, ⌈h / patch⌉, ⌈w / patch⌉,
  // width], without norms and without the class token.
  Features Encode(const Variable& images, const nn::Context& context);
  // features, of which the last alone is read → logits [n, s·⌈h / patch⌉, s·⌈w / patch⌉, classes] in float32,
  // s = head.scale^head.convolutions: 16 in SSSegmentation's for ADE20K, 4 in mmseg's, 1 in the authors'. All packages
  // resize them to the image's size, also where patches do not divide it (SegmentationLoss).
  Variable Decode(const Features& features, const nn::Context& context);
  // features → the logits of each auxiliary head, on one tap each, as Decode's; empty where the network has none.
  std::vector<Variable> Auxiliary(const Features& features, const nn::Context& context);
  // images [n, h, w, 3], normalised → logits as Decode returns them. Nothing is computed for auxiliary heads.
  Variable operator()(const Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }

  // encoder (timm's names); decode_head and auxiliary_head.i (mmseg's)
  void Fields(nn::FieldVisitor& visitor);
  // LoadViT.
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return LoadViT(path, encoder); }

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const { return config.encoder.patch; }
  size_t latent_tap() const { return config.encoder.taps.size(); }  // the last block
  static int64_t LatentChannels(const SetrConfig& config) { return config.encoder.width; }
  std::string last_layer() const { return "decode_head.conv_seg"; }
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const;

  SetrConfig config;
  ViT encoder;
  SetrNaiveHead decode_head;
  std::vector<SetrNaiveHead> auxiliary_heads;  // one for each of the encoder's taps, or none

 private:
  void RequireTaps(const Features& features) const;
};

// Loads weights of this code's, the authors', mmseg's and SSSegmentation's SETR-Naive into a `network` of the same
// shapes; positions may be of another size (LoadPatchWeights). A file's auxiliary heads are left out where the network
// has none. `strict` as in nn::LoadOptions.
//
// Shapes do not tell where a file's network resizes in another way than `network`: FailedPrecondition, naming what
// differs, for a file of the authors' in a network whose heads enlarge their maps, for mmseg's and SSSegmentation's in
// one whose heads do not do so by 4 behind each convolution, and for all of these in one with another filter of
// positions.
absl::StatusOr<nn::LoadReport> LoadSetr(const std::string& path, Setr& network, bool strict = true);

}  // namespace seg
