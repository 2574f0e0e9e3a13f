#pragma once

// SFPNeXt, the default network of RSS: a ConvNeXt V2 encoder and the semantic FPN decoder with self-attention
// (seg/decoders/semantic_fpn.h says what of it is a reading of the paper).

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/semantic_fpn.h"
#include "seg/encoders/convnext_v2.h"

namespace seg {

struct SFPNeXtConfig {
  int64_t classes = 59;
  ConvNeXtV2Config encoder;
  SemanticFpnConfig decoder;
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// The encoder by its size (ConfigureConvNeXtV2). All sizes have the published decoder (width 256, pyramid 128) but "micro", which has
// width 64, pyramid 32, key width 16.
absl::StatusOr<SFPNeXtConfig> ConfigureSFPNeXt(absl::string_view size, int64_t classes);

struct SFPNeXt {
  // The prefix of LastLayer(), for RateFactor.
  static constexpr char kLastLayer[] = "decoder.classifier";

  SFPNeXt(const SFPNeXtConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → logits [n, h / s, w / s, classes] in float32, s = encoder.stem_stride, rounded down.
  Variable operator()(const Variable& images, const nn::Context& context, SemanticFpnTrace* trace = nullptr);
  void Fields(nn::FieldVisitor& visitor);  // encoder, decoder

  // The layer whose learning rate RSS multiplies by 1, 4, 40 or 400.
  nn::Linear& LastLayer() { return decoder.classifier; }

  SFPNeXtConfig config;
  ConvNeXtV2 encoder;
  SemanticFpn decoder;
};

}  // namespace seg
