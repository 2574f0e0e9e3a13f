#include "experiments/runner/dataset_choice.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "data/datasets/open_dataset.h"

namespace experiments {
namespace {

absl::StatusOr<std::unique_ptr<data::Dataset>> OpenSplit(const DatasetChoice& choice, const std::string& split) {
  data::DatasetOptions options;
  options.scenes.class_count = choice.scene_classes;
  options.scenes.height = options.scenes.width = choice.crop;
  options.scenes.seed = choice.scene_seed;
  if (choice.scene_images > 0) options.scenes.training_size = choice.scene_images;
  return data::OpenDataset(choice.name == "pascal_context" ? "pascal_context_59" : choice.name, choice.root, split,
                           options);
}

}  // namespace

std::vector<std::string> DatasetNames() { return {"scenes", "camvid", "pascal_context", "pascal_context_60"}; }

absl::StatusOr<ChosenData> OpenChosenData(const DatasetChoice& choice) {
  bool known = false;
  for (const std::string& name : DatasetNames()) known |= name == choice.name;
  if (!known) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", choice.name, " is unknown; choose one of ", absl::StrJoin(DatasetNames(), ", ")));
  }
  if (choice.name != "scenes" && choice.root.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", choice.name, " needs --data_root, the folder of its files"));
  }
  if (choice.crop < 32 || choice.crop % 32 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--crop=", choice.crop, " must be a positive multiple of 32"));
  }
  if (!(choice.image_scale > 0 && choice.image_scale <= 4)) {
    return absl::InvalidArgumentError(absl::StrCat("--image_scale=", choice.image_scale, " must lie in (0, 4]"));
  }
  ChosenData chosen;
  absl::StatusOr<std::unique_ptr<data::Dataset>> training = OpenSplit(choice, "train");
  if (!training.ok()) return training.status();
  absl::StatusOr<std::unique_ptr<data::Dataset>> validation = OpenSplit(choice, "val");
  if (!validation.ok()) return validation.status();
  chosen.training = *std::move(training);
  chosen.validation = *std::move(validation);
  chosen.crop_height = chosen.crop_width = choice.crop;
  if (choice.name == "scenes") {
    chosen.augmentation = {data::HorizontalFlip(0.5f)};
    chosen.description = absl::StrFormat(
        "embedded scenes, %d×%d, %d classes, %s", choice.crop, choice.crop, choice.scene_classes,
        choice.scene_images > 0 ? absl::StrCat(choice.scene_images, " training images") : "endless training images");
  } else {
    // Factors of the image's own size, as iSeg (the code base RSS comes from) scales; 0.5 to 2 as everybody.
    const double scale = choice.image_scale;
    chosen.augmentation = {data::FitResizeAndCrop({.long_side = choice.name == "camvid" ? 480 : 520,
                                                   .short_side = choice.name == "camvid" ? 360 : 520,
                                                   .crop_height = choice.crop,
                                                   .crop_width = choice.crop,
                                                   .smallest_scale = 0.5 * scale,
                                                   .largest_scale = 2.0 * scale}),
                           data::HorizontalFlip(0.5f), data::PhotometricDistortion({})};
    chosen.inference.scales = {scale};
    chosen.description = absl::StrFormat("%s, %d training and %d validation images, crops of %d×%d at %g of full size",
                                         chosen.training->info().name, chosen.training->size(),
                                         chosen.validation->size(), choice.crop, choice.crop, scale);
  }
  return chosen;
}

}  // namespace experiments
