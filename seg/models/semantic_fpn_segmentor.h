#pragma once

// An encoder with four taps under the semantic FPN decoder (seg/decoders/semantic_fpn.h): the form of SFPNeXt and
// SemanticFPN.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "autograd/ops/cast.h"
#include "nn/context.h"
#include "nn/module.h"
#include "seg/decoders/semantic_fpn.h"
#include "seg/models/model.h"

namespace seg {

template <typename EncoderConfig, bool kAttention>
struct SemanticFpnSegmentorConfig {
  int64_t classes = 59;
  EncoderConfig encoder = {};
  SemanticFpnConfig decoder = {.attention = kAttention};
  int64_t extra_latent_channels = 0;  // that Decode finds behind the encoder's (seg/models/model.h)
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// An Encoder is made from (its `config`, key) and called with (images, context) for std::array<Variable, 4>, fine to
// coarse, of config.OutputChannels() channels; kLoadEncoder(path, encoder) loads its public weights. kAttention is what
// a configuration's decoder has unless it is told otherwise.
template <typename Encoder, auto kLoadEncoder, bool kAttention>
struct SemanticFpnSegmentor {
  using Config = SemanticFpnSegmentorConfig<decltype(Encoder::config), kAttention>;

  SemanticFpnSegmentor(const Config& given, RandomKey key)
      : config(given),
        encoder(given.encoder, key.Split("encoder")),
        decoder(DecoderChannels(given), given.classes, given.decoder, key.Split("decoder")) {}

  // images [n, h, w, 3], normalised → four features: the encoder's taps C2 … C5, fine to coarse.
  Features Encode(const Variable& images, const nn::Context& context) {
    const std::array<Variable, 4> taps = encoder(autograd::Cast(images, config.compute), context.Split("encoder"));
    return Features(taps.begin(), taps.end());
  }

  // features → logits [n, h2, w2, classes] in float32, h2 × w2 the size of C2. `trace`, unless null, gets the decoder's
  // intermediate maps.
  Variable Decode(const Features& features, const nn::Context& context, SemanticFpnTrace* trace = nullptr) {
    autograd::Require(features.size() == 4, "SemanticFpnSegmentor", "decodes 4 features, not ", features.size());
    const std::span<const Variable, 4> taps(features);
    return autograd::Cast(decoder(taps, context.Split("decoder"), trace), autograd::kFloat32);
  }

  // images [n, h, w, 3], normalised → logits as Decode returns them.
  Variable operator()(const Variable& images, const nn::Context& context) {
    return Decode(Encode(images, context), context);
  }

  // encoder, decoder
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("encoder", encoder);
    visitor.Field("decoder", decoder);
  }

  absl::StatusOr<nn::LoadReport> LoadEncoder(const std::string& path) { return kLoadEncoder(path, encoder); }

  int64_t classes() const { return config.classes; }
  int64_t size_multiple() const { return encoder.size_multiple(); }
  size_t latent_tap() const { return 3; }  // C5
  static int64_t LatentChannels(const Config& config) { return config.encoder.OutputChannels()[3]; }
  // The layer whose learning rate RSS multiplies by 1, 4, 40 or 400.
  std::string last_layer() const { return "decoder.classifier"; }
  // The decoder's norms on C5 see the fewest values: C5's pixels. The encoder's own norms see no fewer.
  std::optional<NormExtent> SmallestNorm(int64_t height, int64_t width) const {
    return NormExtent{encoder.LastTapPixels(height, width), "top of the feature pyramid"};
  }

  Config config;
  Encoder encoder;
  SemanticFpn decoder;

 private:
  static std::array<int64_t, 4> DecoderChannels(const Config& config) {
    std::array<int64_t, 4> channels = config.encoder.OutputChannels();
    channels[3] += config.extra_latent_channels;
    return channels;
  }
};

}  // namespace seg
