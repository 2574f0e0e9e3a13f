// Human parsing in 20 classes: the background and 19 parts of a body and its clothes.
//
// LIP (Look Into Person; Gong et al., CVPR 2017): 30462 / 10000 / 10000 images of one person, some of them with one
// channel. Below the data root or its LIP/, in the layout of SCHP or that of the release:
//
//   {train,val,testing}_images/ID.jpg                        TrainVal_images/{train,val}_images/ID.jpg
//   {train,val}_segmentations/ID.png                         TrainVal_parsing_annotations/{train,val}_segmentations/
//   {train,val}_id.txt                                       TrainVal_images/{train,val}_id.txt
//                                                            Testing_images/testing_images/ID.jpg
//
// (A zip's own folder of the same name may lie around these, and a list may lie beside either kind of file.)
//
// CIHP (Crowd Instance-level Human Parsing; Gong et al., ECCV 2018): 28280 / 5000 / 5000 images of several people.
// Below the data root, its CIHP/ or its instance-level_human_parsing/:
//
//   {Training,Validation,Testing}/Images/ID.jpg    .../Category_ids/ID.png    Training/train_id.txt,
// Validation/val_id.txt
//
// Ids are numbers of seven digits; one that a list writes without its leading zeros is the same. Category_rev_ids,
// label maps of mirrored images, are not read: DatasetInfo::mirrored_classes says what they say.
//
// Labels are 8-bit grey, 0 to 19, and 255 is void. Where there is no list every image is taken. The labels of a test
// split are the server's. Left and right are the person's own: 14 and 15 (arms), 16 and 17 (legs), 18 and 19 (shoes)
// change places in a mirrored image. Class 10 is another in each: jumpsuits in LIP, the skin of the torso in CIHP.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// The class that LIP and CIHP do not share.
inline constexpr int kUnlikeHumanParsingClass = 10;

// `split`: train, val or test. A list with an id that lacks its image or label is named with the id.
absl::StatusOr<std::unique_ptr<Dataset>> OpenLip(const std::string& data_root, const std::string& split,
                                                 const FileOptions& options = {});
absl::StatusOr<std::unique_ptr<Dataset>> OpenCihp(const std::string& data_root, const std::string& split,
                                                  const FileOptions& options = {});

}  // namespace data
