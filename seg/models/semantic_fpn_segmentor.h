#pragma once

// An encoder with four taps under the semantic FPN decoder (seg/decoders/semantic_fpn.h): SFPNeXt and SemanticFPN.

#include <cstdint>

#include "autograd/ops/cast.h"
#include "nn/context.h"
#include "nn/module.h"
#include "seg/decoders/semantic_fpn.h"

namespace seg {

template <typename EncoderConfig, bool kAttention>
struct SemanticFpnSegmentorConfig {
  int64_t classes = 59;
  EncoderConfig encoder = {};
  SemanticFpnConfig decoder = {.attention = kAttention};
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// An Encoder is made from (EncoderConfig, key) and called with (images, context) for std::array<Variable, 4>, fine to coarse, of
// EncoderConfig::OutputChannels() channels. kAttention is what a configuration's decoder has unless it is told otherwise.
template <typename Encoder, typename EncoderConfig, bool kAttention>
struct SemanticFpnSegmentor {
  using Config = SemanticFpnSegmentorConfig<EncoderConfig, kAttention>;

  // The prefix of LastLayer(), for RateFactor.
  static constexpr char kLastLayer[] = "decoder.classifier";

  SemanticFpnSegmentor(const Config& given, RandomKey key)
      : config(given),
        encoder(given.encoder, key.Split("encoder")),
        decoder(given.encoder.OutputChannels(), given.classes, given.decoder, key.Split("decoder")) {}

  // images [n, h, w, 3], normalised → logits [n, h2, w2, classes] in float32, h2 × w2 the size of the finest tap.
  Variable operator()(const Variable& images, const nn::Context& context, SemanticFpnTrace* trace = nullptr) {
    const Variable x = autograd::Cast(images, config.compute);
    const Variable logits = decoder(encoder(x, context.Split("encoder")), context.Split("decoder"), trace);
    return autograd::Cast(logits, autograd::kFloat32);
  }

  // encoder, decoder
  void Fields(nn::FieldVisitor& visitor) {
    visitor.Field("encoder", encoder);
    visitor.Field("decoder", decoder);
  }

  // The layer whose learning rate RSS multiplies by 1, 4, 40 or 400.
  nn::Linear& LastLayer() { return decoder.classifier; }

  Config config;
  Encoder encoder;
  SemanticFpn decoder;
};

}  // namespace seg
