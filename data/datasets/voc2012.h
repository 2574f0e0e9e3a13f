// PASCAL VOC 2012 segmentation (Everingham et al., IJCV 2015): 20 objects and background, which is an ordinary class;
// borders are void (255). Splits: train (1464), val (1449), trainval, test (1456 images whose labels the server keeps),
// trainaug (10582), and any other list in ImageSets/Segmentation.
//
// Below the data root, its VOC2012/ or its VOCdevkit/VOC2012/:
//
//   JPEGImages/<id>.jpg   ImageSets/Segmentation/<split>.txt
//   SegmentationClass/<id>.png       palette (or grey) PNGs of class indices
//   SegmentationClassAug/<id>.png    the same for SBD's images
//
// trainaug is VOC's train with the images of SBD (Hariharan et al., ICCV 2011) that are not in VOC's val. Its label
// maps are looked for in SegmentationClass, SegmentationClassAug and SBD's own cls/<id>.mat, in this order, so every
// published layout is read as it is. SBD's folder, the one with cls/, is VOCaug/dataset (mmsegmentation),
// benchmark_RELEASE/dataset, SBD/dataset, sbd/dataset, dataset, VOCaug, SBD or sbd, in the data root, in VOC2012/ or
// beside it. Without a list (trainaug.txt or train_aug.txt in ImageSets/Segmentation, list/, splits/ or the folder
// itself) trainaug is put together from SBD's train.txt and val.txt.
//
// A line of a list is an id, which may have blanks in it, or an id and -1, 0 or 1, as in the lists by class (all three
// are taken), or an image's path, or "/JPEGImages/<id>.jpg /SegmentationClassAug/<id>.png" (DeepLab, MiB, PLOP), with
// double quotes or a tab where paths have blanks. A label file that a list names is that file: no other takes its
// place.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

struct Voc2012Options {
  bool augmented = false;  // the split "train" is trainaug
};

absl::StatusOr<std::unique_ptr<Dataset>> OpenVoc2012(const std::string& data_root, const std::string& split,
                                                     const Voc2012Options& options = {}, const FileOptions& files = {});

// The colours of VOC's palette: bit i of the index goes to bit 7 - i / 3 of red (i % 3 = 0), green or blue.
Color VocColor(int index);

}  // namespace data
