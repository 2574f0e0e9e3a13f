// Mapillary Vistas (Neuhold et al., ICCV 2017). Classes, colours and what is void come from the release's
// configuration: those with "evaluate": true are the classes, in their order, the others are void. In version 1.2 that
// are 65 classes and Unlabeled, in 2.0 there are more; the two must not be mixed.
//
//   config_v1.2.json  training/images/<key>.jpg  training/v1.2/labels/<key>.png     and validation/, testing/images/
//   config_v2.0.json                             training/v2.0/labels/<key>.png
//
// or, as the older archive of version 1.2 has it, config.json and training/labels/<key>.png. Label files are palette
// (or grey) PNGs of positions in the configuration. Splits: train (18000), val (2000), test (5000 images without
// labels); a copy may call their folders train, val and test.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

struct MapillaryOptions {
  std::string version = "v1.2";  // v1.2 or v2.0
};

absl::StatusOr<std::unique_ptr<Dataset>> OpenMapillary(const std::string& data_root, const std::string& split,
                                                       const MapillaryOptions& options = {},
                                                       const FileOptions& files = {});

}  // namespace data
