#pragma once

// PSPNet (Zhao et al., "Pyramid scene parsing network", CVPR 2017) on a dilated ResNet.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "seg/decoders/pyramid_pooling.h"
#include "seg/models/resnet_segmentor.h"

namespace seg {

// Fields: backbone, classifier, aux_classifier.
using PspNet = ResNetSegmentor<PyramidPooling, PyramidPoolingConfig>;
using PspNetConfig = PspNet::Config;

// A PSPNet on the encoder of that `size` (ConfigureResNet; NotFound for others), at output stride 8, without an
// auxiliary classifier. The heads are mmseg's, of the _semseg sizes semseg's; "micro" has mmseg's at width 32
// (auxiliary 16). SSSegmentation's network is mmseg's with auxiliary_head.width 512.
absl::StatusOr<PspNetConfig> ConfigurePspNet(absl::string_view size, int64_t classes);

// Loads weights of mmseg's, SSSegmentation's and semseg's PSPNet into a `network` of the same shapes. A file's
// auxiliary classifier is left out where the network has none. `strict` as in nn::LoadOptions.
//
// Shapes do not tell where a file's network resizes and dilates in another way than `network`: FailedPrecondition,
// naming what differs, for a file of semseg's in a network that is not configured as the _semseg sizes are, and for
// mmseg's and SSSegmentation's in one that is. With semseg's weights the logits are semseg's before it resizes them to
// the image, which it does with aligned corners, for images of 8k + 1 pixels a side; SegmentationLoss and the programs
// resize logits without.
absl::StatusOr<nn::LoadReport> LoadPspNet(const std::string& path, PspNet& network, bool strict = true);

}  // namespace seg
