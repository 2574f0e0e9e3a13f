#pragma once

// SegFormer (Xie et al., "SegFormer: Simple and efficient design for semantic segmentation with transformers", NeurIPS
// 2021) as the public packages have it. Two pairs of head and ε are in use: Hugging Face's (NVlabs' head with another
// ε), and mmseg's and SSSegmentation's, in which the baselines of the latent-space RL paper were trained.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nn/checkpoints/renamed_module.h"
#include "seg/decoders/segformer_head.h"
#include "seg/encoders/mit.h"
#include "seg/models/model.h"

namespace seg {

struct SegFormerConfig {
  int64_t classes = 150;
  MiTConfig encoder = {};
  SegFormerHeadConfig head = {};
  // Decode finds so many more channels at latent_tap() than the encoder gives, behind the encoder's.
  int64_t extra_latent_channels = 0;
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// A SegFormer on the encoder of that `size` (ConfigureMiT; NotFound for others), with the head of the package whose ε
// the encoder has: "mit_b1" is Hugging Face's network, "mit_b1_nvidia" NVlabs', "mit_b1_mmseg" mmseg's and
// SSSegmentation's. "micro" has Hugging Face's head at width 32, "micro_mmseg" mmseg's.
absl::StatusOr<SegFormerConfig> ConfigureSegFormer(absl::string_view size, int64_t classes);

struct SegFormer {
  SegFormer(const SegFormerConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → C1 … C4 of the encoder, at strides 4, 8, 16, 32.
  Features Encode(const Variable& images, const nn::Context& context);
  // features → logits [n, ⌈h/4⌉, ⌈w/4⌉, classes] in float32.
  Variable Decode(const Features& features, const nn::Context& context);
  // images [n, h, w, 3], normalised → logits as Decode returns them.
  Variable operator()(const Variable& images, const nn::Context& context);
  // As in Hugging Face's files: segformer.encoder, decode_head. A network with another ε or head calls its encoder
  // "backbone", so that a file of nn::SaveWeights never passes for Hugging Face's.
  void Fields(nn::FieldVisitor& visitor);
  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return LoadMiT(path, encoder); }

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const { return encoder.size_multiple(); }
  size_t latent_tap() const { return 3; }  // C4
  static int64_t LatentChannels(const SegFormerConfig& config) { return config.encoder.dims[3]; }
  std::string last_layer() const;  // "decode_head.classifier", or "decode_head.conv_seg"
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const;

  SegFormerConfig config;
  MiT encoder;
  SegFormerHead head;
};

// The names in the package's files of a SegFormer's fields, whose head must be the package's (nn::RenamedModule).
nn::FieldNames SegFormerPublicNames(MiTPackage package);

// Loads a trained network of Hugging Face's, NVlabs', mmseg's or SSSegmentation's, or of nn::SaveWeights here. NVlabs'
// decode_head.conv_seg, which nothing uses, is left out. `strict` as in nn::LoadOptions; the report has the names of
// the file's package.
//
// FailedPrecondition, naming what differs, for a file of a package whose network has another head or another ε than
// `network`: shapes do not tell the ε.
absl::StatusOr<nn::LoadReport> LoadSegFormer(const std::string& path, SegFormer& network, bool strict = true);

// Writes the network under the package's names, so that the package's own code loads all of it and computes the same:
// FailedPrecondition, naming what differs, where the package's network has another head or another ε.
absl::Status SaveSegFormer(const std::string& path, SegFormer& network, MiTPackage package);

}  // namespace seg
