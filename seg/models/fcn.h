#pragma once

// FCN (Long et al., "Fully convolutional networks for semantic segmentation", CVPR 2015) as the public packages have
// it, on a dilated ResNet.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/models/resnet_segmentor.h"

namespace seg {

// Fields, as torchvision's: backbone, classifier, aux_classifier.
using Fcn = ResNetSegmentor<FcnHead, FcnHeadConfig>;
using FcnConfig = Fcn::Config;

// An FCN on the encoder of that `size` (ConfigureResNet; NotFound for others), at output stride 8, without an auxiliary
// classifier. "resnet50", "resnet101" and "resnet152" have torchvision's heads, the v1c sizes mmseg's; "resnet50_sss"
// and "resnet101_sss" have SSSegmentation's on the encoder of the v1c sizes, which is its own; "micro" has
// torchvision's at width 32 (auxiliary 16).
absl::StatusOr<FcnConfig> ConfigureFcn(absl::string_view size, int64_t classes);

// Loads weights of torchvision's, mmseg's and SSSegmentation's FCN into a `network` of the same shapes. A file's
// auxiliary classifier is left out where the network has none. `strict` as in nn::LoadOptions.
absl::StatusOr<nn::LoadReport> LoadFcn(const std::string& path, Fcn& network, bool strict = true);

}  // namespace seg
