// Pascal Context (Mottaghi et al., CVPR 2014): the 10103 train and val images of PASCAL VOC 2010 with dense
// labels of 59 classes, read from the converted PNG files (8-bit grey, 0 = background, 1..59 in alphabetical
// order).
//
// Two layouts are recognised below the data root (or below its VOCdevkit/):
//   VOC2010/JPEGImages/<id>.jpg  VOC2010/SegmentationClassContext/<id>.png
//   VOC2010/ImageSets/SegmentationContext/{train,val}.txt
// and
//   images/<id>.jpg  labels/<id>.png  {train,val}.txt
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// mIoU does not depend on the order, but weights, palettes and tables by class do.
enum class PascalContextOrder {
  kAlphabetical,  // the value in the PNG file: mmsegmentation, SSSegmentation, PyTorch-Encoding
  kOriginal,      // 59_labels.txt of the release, the 20 VOC objects first: FCN, detail-api
};

struct PascalContextOptions {
  // False: 59 classes, background is void. True: 60 classes, background is class 0.
  bool background_class = false;
  PascalContextOrder order = PascalContextOrder::kAlphabetical;
};

absl::StatusOr<std::unique_ptr<Dataset>> OpenPascalContext(const std::string& data_root, const std::string& split,
                                                           const PascalContextOptions& options = {});

}  // namespace data
