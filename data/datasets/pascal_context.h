// Pascal Context (Mottaghi et al., CVPR 2014): the 10103 train and val images of PASCAL VOC 2010 with dense labels of
// 59 classes.
//
// Three layouts are recognised below the data root:
//
//   [VOCdevkit/]VOC2010/JPEGImages/<id>.jpg  VOC2010/SegmentationClassContext/<id>.png   converted files: 8-bit grey,
//   VOC2010/ImageSets/SegmentationContext/{train,val}.txt                              0 = background, 1..59 alphabetic
//
//   images/<id>.jpg  labels/<id>.png  {train,val}.txt                                   the same values
//
//   [VOCdevkit/]VOC2010/JPEGImages/<id>.jpg  trainval/<id>.mat  labels.txt             the release: MATLAB files of 459
//   VOC2010/ImageSets/Main/{train,val}.txt                                             labels
//
// 59 of the 459 labels are the classes; everything else counts as background, look-alikes such as plant and toy car
// too.
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
                                                           const PascalContextOptions& options = {},
                                                           const FileOptions& files = {});

}  // namespace data
