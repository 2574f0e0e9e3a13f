#pragma once

// SemanticFPN: a ResNet encoder and the semantic FPN decoder without attention (seg/decoders/semantic_fpn.h): Panoptic FPN's semantic
// branch (Kirillov et al., CVPR 2019) in iSeg's form.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/semantic_fpn.h"
#include "seg/encoders/resnet.h"

namespace seg {

struct ResNetSemanticFpnConfig {
  int64_t classes = 59;
  ResNetConfig encoder = {};
  SemanticFpnConfig decoder = {.attention = false};
  // Of the activations: float32 or bfloat16. Weights, statistics and logits stay float32.
  autograd::DType compute = autograd::kFloat32;
};

// The encoder by its size (ConfigureResNet), at output stride 32. All sizes have the published decoder (width 256, pyramid 128) but "micro", which
// has width 64, pyramid 32.
absl::StatusOr<ResNetSemanticFpnConfig> ConfigureResNetSemanticFpn(absl::string_view size, int64_t classes);

struct ResNetSemanticFpn {
  // The prefix of LastLayer(), for RateFactor.
  static constexpr char kLastLayer[] = "decoder.classifier";

  ResNetSemanticFpn(const ResNetSemanticFpnConfig& config, RandomKey key);

  // images [n, h, w, 3], normalised → logits [n, ⌈h/4⌉, ⌈w/4⌉, classes] in float32.
  Variable operator()(const Variable& images, const nn::Context& context, SemanticFpnTrace* trace = nullptr);
  void Fields(nn::FieldVisitor& visitor);  // encoder, decoder

  nn::Linear& LastLayer() { return decoder.classifier; }

  ResNetSemanticFpnConfig config;
  ResNet encoder;
  SemanticFpn decoder;
};

}  // namespace seg
