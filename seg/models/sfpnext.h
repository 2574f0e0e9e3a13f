#pragma once

// SFPNeXt, the default network of RSS: a ConvNeXt V2 encoder and the semantic FPN decoder with self-attention
// (seg/decoders/semantic_fpn.h says what of it is a reading of the paper).

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/encoders/convnext_v2.h"
#include "seg/models/semantic_fpn_segmentor.h"

namespace seg {

// SFPNeXt's logits are [n, h / s, w / s, classes], s = encoder.stem_stride, rounded down; its features have the strides
// s, 2s, 4s, 8s.
using SFPNeXt = SemanticFpnSegmentor<ConvNeXtV2, LoadConvNeXtV2, /*kAttention=*/true>;
using SFPNeXtConfig = SFPNeXt::Config;

// An SFPNeXt on the encoder of that `size` (ConfigureConvNeXtV2; NotFound for others). All sizes have the published
// decoder (width 256, pyramid 128) but "micro", which has width 64, pyramid 32, key width 16.
absl::StatusOr<SFPNeXtConfig> ConfigureSFPNeXt(absl::string_view size, int64_t classes);

}  // namespace seg
