// Datasets by name, for flags.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "data/datasets/pascal_context.h"
#include "data/scenes/scene_dataset.h"

namespace data {

struct DatasetOptions {
  PascalContextOrder pascal_context_order = PascalContextOrder::kAlphabetical;
  SceneOptions scenes;
  IncompleteSamples incomplete = IncompleteSamples::kRefuse;
  bool ignore_orientation = false;  // of the images' EXIF remarks, as in ReadOptions
};

// "scenes" (no files; `data_root` is not looked at), "camvid", "pascal_context" (59 classes), "pascal_context_60",
// "voc2012", "voc2012_aug" (its "train" is trainaug), "cityscapes", "mapillary" (version 1.2), "mapillary_v2" (2.0).
std::vector<std::string> DatasetNames();

// InvalidArgument lists the names if there is no such dataset; else the errors of the dataset's own function.
absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const std::string& name, const std::string& data_root,
                                                     const std::string& split, const DatasetOptions& options = {});

}  // namespace data
