#include "experiments/runner/dataset_choice.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "data/datasets/open_dataset.h"

namespace experiments {
namespace {

struct Recipe {
  const char* name;     // in DatasetNames()
  const char* dataset;  // in data::DatasetNames()
  data::Size crop;
  // The box into which training images are fitted before their random scale: what leaves the dataset's usual image as it is.
  int long_side, short_side;
  // As iSeg, the code base RSS comes from: only the brightness is changed, and views are averaged as logits. Else as mmsegmentation.
  bool iseg;
};

constexpr Recipe kRecipes[] = {
    {"scenes", "scenes", {64, 64}, 0, 0, false},
    {"camvid", "camvid", {352, 480}, 480, 360, false},
    {"pascal_context", "pascal_context_59", {512, 512}, 520, 520, false},
    {"pascal_context_60", "pascal_context_60", {512, 512}, 520, 520, false},
    {"voc2012", "voc2012", {512, 512}, 500, 500, true},
    {"voc2012_aug", "voc2012_aug", {512, 512}, 500, 500, true},
    {"cityscapes", "cityscapes", {512, 1024}, 2048, 1024, true},
    {"mapillary", "mapillary", {512, 1024}, 2048, 1024, true},
    {"mapillary_v2", "mapillary_v2", {512, 1024}, 2048, 1024, true},
};

const Recipe* FindRecipe(const std::string& name) {
  for (const Recipe& recipe : kRecipes) {
    if (name == recipe.name) return &recipe;
  }
  return nullptr;
}

// The crop of `choice`, checked together with the rest of it.
absl::StatusOr<data::Size> CheckChoice(const DatasetChoice& choice) {
  const Recipe* recipe = FindRecipe(choice.name);
  if (recipe == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", choice.name, " is unknown; choose one of ", absl::StrJoin(DatasetNames(), ", ")));
  }
  if (choice.name != "scenes" && choice.root.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset=", choice.name, " needs --data_root, the folder of its files"));
  }
  if (choice.crop < 0 || choice.crop % 32 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--crop=", choice.crop, " must be a positive multiple of 32"));
  }
  if (!(choice.image_scale > 0 && choice.image_scale <= 4)) {
    return absl::InvalidArgumentError(absl::StrCat("--image_scale=", choice.image_scale, " must lie in (0, 4]"));
  }
  return choice.crop == 0 ? recipe->crop : data::Size{choice.crop, choice.crop};
}

absl::StatusOr<std::unique_ptr<data::Dataset>> OpenSplit(const DatasetChoice& choice, data::Size crop,
                                                         const std::string& split) {
  data::DatasetOptions options;
  options.incomplete = choice.incomplete;
  options.scenes.class_count = choice.scene_classes;
  options.scenes.height = crop.height;
  options.scenes.width = crop.width;
  options.scenes.seed = choice.scene_seed;
  if (choice.scene_images > 0) options.scenes.training_size = choice.scene_images;
  return data::OpenDataset(FindRecipe(choice.name)->dataset, choice.root, split, options);
}

InferenceOptions InferenceOf(const DatasetChoice& choice) {
  InferenceOptions inference;
  if (choice.name != "scenes") inference.scales = {choice.image_scale};
  inference.average_logits = FindRecipe(choice.name)->iseg;
  return inference;
}

data::PhotometricOptions BrightnessOnly() {
  data::PhotometricOptions options;
  options.smallest_contrast = options.largest_contrast = 1;
  options.smallest_saturation = options.largest_saturation = 1;
  options.hue = 0;
  return options;
}

}  // namespace

std::vector<std::string> DatasetNames() {
  std::vector<std::string> names;
  for (const Recipe& recipe : kRecipes) names.push_back(recipe.name);
  return names;
}

data::Size PublishedCrop(const std::string& name) {
  const Recipe* recipe = FindRecipe(name);
  return recipe == nullptr ? data::Size{} : recipe->crop;
}

absl::StatusOr<EvaluationData> OpenEvaluationData(const DatasetChoice& choice, const std::string& split) {
  const absl::StatusOr<data::Size> crop = CheckChoice(choice);
  if (!crop.ok()) return crop.status();
  absl::StatusOr<std::unique_ptr<data::Dataset>> dataset = OpenSplit(choice, *crop, split);
  if (!dataset.ok()) return dataset.status();
  return EvaluationData{*std::move(dataset), InferenceOf(choice)};
}

absl::StatusOr<ChosenData> OpenChosenData(const DatasetChoice& choice) {
  const absl::StatusOr<data::Size> crop = CheckChoice(choice);
  if (!crop.ok()) return crop.status();
  ChosenData chosen;
  absl::StatusOr<std::unique_ptr<data::Dataset>> training = OpenSplit(choice, *crop, "train");
  if (!training.ok()) return training.status();
  absl::StatusOr<EvaluationData> validation = OpenEvaluationData(choice, "val");
  if (!validation.ok()) return validation.status();
  chosen.training = *std::move(training);
  chosen.validation = std::move(validation->dataset);
  chosen.inference = std::move(validation->inference);
  chosen.crop_height = crop->height;
  chosen.crop_width = crop->width;
  if (choice.name == "scenes") {
    chosen.augmentation = {data::HorizontalFlip(0.5f)};
    chosen.description = absl::StrFormat(
        "embedded scenes, %d×%d, %d classes, %s", crop->width, crop->height, choice.scene_classes,
        choice.scene_images > 0 ? absl::StrCat(choice.scene_images, " training images") : "endless training images");
    return chosen;
  }
  // Factors of the image's own size, as iSeg (the code base RSS comes from) scales; 0.5 to 2 as everybody.
  const Recipe& recipe = *FindRecipe(choice.name);
  const double scale = choice.image_scale;
  chosen.augmentation = {data::FitResizeAndCrop({.long_side = recipe.long_side,
                                                 .short_side = recipe.short_side,
                                                 .crop_height = crop->height,
                                                 .crop_width = crop->width,
                                                 .smallest_scale = 0.5 * scale,
                                                 .largest_scale = 2.0 * scale}),
                         data::HorizontalFlip(0.5f),
                         data::PhotometricDistortion(recipe.iseg ? BrightnessOnly() : data::PhotometricOptions())};
  chosen.description =
      absl::StrFormat("%s, %d classes, %d training and %d validation images, crops of %d×%d at %g of full size",
                      chosen.training->info().name, chosen.training->info().num_classes(), chosen.training->size(),
                      chosen.validation->size(), crop->width, crop->height, scale);
  return chosen;
}

}  // namespace experiments
