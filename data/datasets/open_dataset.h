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

// In the order of the table in open_dataset.cc, which says what each name stands for.
std::vector<std::string> DatasetNames();

// InvalidArgument lists the names if there is no such dataset; else the errors of the dataset's own function.
absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(const std::string& name, const std::string& data_root,
                                                     const std::string& split, const DatasetOptions& options = {});

}  // namespace data
