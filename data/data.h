// Images, label maps, datasets, augmentation and loading: the umbrella header of //data.
//
//   auto dataset = data::OpenDataset("camvid", "/data/camvid", "train");  // "scenes" needs no files
//   auto loader = data::Loader::Create(dataset->get(), pipeline, options);
//   absl::StatusOr<data::Batch> batch = (*loader)->Next();
#pragma once

#include "data/datasets/camvid.h"
#include "data/datasets/center_crop_view.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/dataset.h"
#include "data/datasets/human_parsing.h"
#include "data/datasets/in_memory_dataset.h"
#include "data/datasets/mapillary.h"
#include "data/datasets/night_driving.h"
#include "data/datasets/open_dataset.h"
#include "data/datasets/pascal_context.h"
#include "data/datasets/submission.h"
#include "data/datasets/voc2012.h"
#include "data/formats/image.h"
#include "data/formats/image_files.h"
#include "data/formats/image_header.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "data/formats/read_image.h"
#include "data/loaders/loader.h"
#include "data/random/permutation.h"
#include "data/random/random_sequence.h"
#include "data/scenes/scene_dataset.h"
#include "data/transforms/color.h"
#include "data/transforms/normalize.h"
#include "data/transforms/resize.h"
#include "data/transforms/transform.h"
