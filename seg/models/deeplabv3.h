#pragma once

// DeepLabV3 (Chen et al., "Rethinking atrous convolution for semantic image segmentation", 2017) on a dilated ResNet.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/aspp.h"
#include "seg/models/resnet_segmentor.h"

namespace seg {

// Fields, as torchvision's: backbone, classifier, aux_classifier.
using DeepLabV3 = ResNetSegmentor<DeepLabHead, DeepLabHeadConfig>;
using DeepLabV3Config = DeepLabV3::Config;

// A DeepLabV3 on the encoder of that `size` (ConfigureResNet; NotFound for others), at output stride 8, without an
// auxiliary classifier. "resnet50", "resnet101" and "resnet152" have torchvision's heads, the v1c sizes mmseg's;
// "micro" has torchvision's at width 32 (auxiliary 16) and rates 2 4 6.
absl::StatusOr<DeepLabV3Config> ConfigureDeepLabV3(absl::string_view size, int64_t classes);

// Loads weights of torchvision's, mmseg's and SSSegmentation's DeepLabV3 into a `network` of the same shapes. A file's
// auxiliary classifier is left out where the network has none. `strict` as in nn::LoadOptions.
absl::StatusOr<nn::LoadReport> LoadDeepLabV3(const std::string& path, DeepLabV3& network, bool strict = true);

}  // namespace seg
