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
// "resnet50_plop" and "resnet101_plop" are the network of PLOP (Douillard et al., CVPR 2021) at output stride 16, rates
// 6 12 18 and a classifier right on the ASPP, but with batch norm and ReLU in the place of in-place ABN; "micro" has
// torchvision's head at width 32 (auxiliary 16) and rates 2 4 6.
absl::StatusOr<DeepLabV3Config> ConfigureDeepLabV3(absl::string_view size, int64_t classes);

// Loads weights of torchvision's, mmseg's and SSSegmentation's DeepLabV3 into a `network` of the same shapes. A file's
// auxiliary classifier is left out where the network has none. `strict` as in nn::LoadOptions.
absl::StatusOr<nn::LoadReport> LoadDeepLabV3(const std::string& path, DeepLabV3& network, bool strict = true);

}  // namespace seg
