// Driving by night, in the 19 classes of Cityscapes: data to test on what was trained by day.
//
// Dark Zurich (Sakaridis et al., ICCV 2019), the split val of the package "val_anon": 50 images of 1920 x 1080. Below
// the data root, its Dark_Zurich_val_anon/ or its dark_zurich/:
//
//   rgb_anon/val/night/GOPR0356/<stem>_rgb_anon.png     gt/val/night/GOPR0356/<stem>_gt_labelTrainIds.png
//   lists_file_names/val_filenames.txt                  val/night/GOPR0356/<stem>, with or without the "val/"
//
// Without a list every image is taken. The daytime references (val_ref) and the masks of UIoU are not read.
//
// Nighttime Driving (Dai and Van Gool, ITSC 2018), the split test: 50 images of 1920 x 1080, coarsely annotated. Below
// the data root or its NighttimeDrivingTest/:
//
//   leftImg8bit/test/night/<stem>_leftImg8bit.png
//   gtCoarse_daytime_trainvaltest/test/night/<stem>_gtCoarse_labelTrainIds.png
//
// Both: train ids, 255 is void; where a copy has no labelTrainIds at all, its _labelIds.png are read, by Cityscapes'
// ids.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// `split`: val.
absl::StatusOr<std::unique_ptr<Dataset>> OpenDarkZurich(const std::string& data_root, const std::string& split,
                                                        const FileOptions& options = {});

// `split`: test.
absl::StatusOr<std::unique_ptr<Dataset>> OpenNighttimeDriving(const std::string& data_root, const std::string& split,
                                                              const FileOptions& options = {});

}  // namespace data
