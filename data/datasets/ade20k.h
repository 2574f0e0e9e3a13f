// ADE20K as the MIT scene parsing benchmark has it (SceneParsing-150; Zhou et al., CVPR 2017): 150 classes, images of
// many sizes, mostly with a short side of 512. Splits: train (20210), val (2000) and test (3352 images whose labels the
// server keeps).
//
// Below the data root, its ADEChallengeData2016/ or its ade/ADEChallengeData2016/:
//
//   images/{training,validation}/<id>.jpg        some have one channel
//   annotations/{training,validation}/<id>.png   8-bit grey: 0 is void ("other objects"), 1 .. 150 are the classes
//
// The test images are release_test/testing/<id>.jpg in the data root, in that folder or beside it, or images/testing/.
//
// A class's train id is its value − 1; stored_values are the values, which the benchmark's kit wants. The full ADE20K
// (releases of 2016 and 2021: <id>_seg.png with thousands of classes coded in RGB) is another dataset, and refused.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

absl::StatusOr<std::unique_ptr<Dataset>> OpenAde20k(const std::string& data_root, const std::string& split,
                                                    const FileOptions& options = {});

}  // namespace data
