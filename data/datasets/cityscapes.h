// Cityscapes (Cordts et al., CVPR 2016), fine annotations: 19 classes, 2048 x 1024. Splits: train (2975), val (500) and
// test (1525), whose labels are the server's: its label files hold only the ego vehicle and the borders, and are not
// read.
//
// Below the data root or its cityscapes/:
//
//   leftImg8bit/<split>/<city>/<id>_leftImg8bit.png      <id> is <city>_<sequence>_<frame>
//   gtFine/<split>/<city>/<id>_gtFine_labelIds.png
//   gtFine/<split>/<city>/<id>_gtFine_instanceIds.png    only for iIoU
//
// The label ids of the release become train ids; the 15 ids that are not evaluated become void. Where a copy has no
// labelIds at all but the generated _gtFine_labelTrainIds.png, those are read. stored_values are the label ids, which
// the server wants.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "data/datasets/file_dataset.h"

namespace data {

absl::StatusOr<std::unique_ptr<Dataset>> OpenCityscapes(const std::string& data_root, const std::string& split,
                                                        const FileOptions& options = {});

// The 19 classes, which other datasets share. stored_values are the label ids.
DatasetInfo CityscapesInfo(const std::string& split);
// Of label files that hold train ids with 255 for void, or else the release's label ids.
LabelEncoding CityscapesEncoding(bool train_ids);

// The instances of sample `id`: label id * 1000 + a number from 0 for an object; the label id alone for stuff and for
// groups of objects that were not told apart. Errors name the file.
absl::StatusOr<IndexMap> ReadCityscapesInstances(const std::string& data_root, const std::string& split,
                                                 const std::string& id);

}  // namespace data
