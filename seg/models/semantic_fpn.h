#pragma once

// SemanticFPN: a ResNet encoder and the semantic FPN decoder without attention (seg/decoders/semantic_fpn.h): Panoptic
// FPN's semantic branch (Kirillov et al., CVPR 2019) in iSeg's form.

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/encoders/resnet.h"
#include "seg/models/semantic_fpn_segmentor.h"

namespace seg {

// SemanticFPN's logits are [n, ⌈h/4⌉, ⌈w/4⌉, classes]; its features have the strides 4, 8, 16, 32, none above
// encoder.output_stride.
using ResNetSemanticFpn = SemanticFpnSegmentor<ResNet, LoadResNet, /*kAttention=*/false>;
using ResNetSemanticFpnConfig = ResNetSemanticFpn::Config;

// A SemanticFPN on the encoder of that `size` (ConfigureResNet; NotFound for others), at output stride 32. All sizes
// have the published decoder (width 256, pyramid 128) but "micro", which has width 64, pyramid 32.
absl::StatusOr<ResNetSemanticFpnConfig> ConfigureResNetSemanticFpn(absl::string_view size, int64_t classes);

}  // namespace seg
