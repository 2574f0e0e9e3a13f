#include "experiments/runner/data_options.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "data/datasets/open_dataset.h"
#include "experiments/settings/enum_text.h"

namespace experiments {

constexpr EnumText<data::SceneLight> kSceneLights[] = {{data::SceneLight::kDay, "day"},
                                                       {data::SceneLight::kNight, "night"},
                                                       {data::SceneLight::kHaze, "haze"},
                                                       {data::SceneLight::kOther, "other"}};
template <>
struct SettingText<data::SceneLight> : SettingTextOf<data::SceneLight, 4, kSceneLights> {};

namespace {

// What differs from what most datasets share.
struct Protocol {
  bool keep_ratio = true;  // of training images
  double smallest_scale = 0.5, largest_scale = 2;
  int test_height = 0, test_width = 0;  // to which images are resized; 0: their own size
  double test_scale = 1;
  bool average_logits = false;
};

struct Recipe {
  const char* name;  // in data::DatasetNames()
  data::Size crop;
  // The box into which training images are fitted before their random scale: what leaves the dataset's usual image as
  // it is.
  int long_side, short_side;
  // As iSeg, the code base RSS comes from: only the brightness is changed, and views are averaged as logits. Else as
  // mmsegmentation.
  bool iseg;
  const char* scored = "val";  // the split of published scores
  Protocol protocol = {};
};

// SSSegmentation's recipe for human parsing, but for rotations, which there are none of here.
constexpr Protocol kParsing = {.keep_ratio = false,
                               .smallest_scale = 0.75,
                               .largest_scale = 1.25,
                               .test_height = 473,
                               .test_width = 473,
                               .average_logits = true};
// Fit into 2048 × 1024, as frames of Cityscapes are: 1820 × 1024.
constexpr Protocol kNightDriving = {.test_scale = 1024.0 / 1080, .average_logits = true};

constexpr Recipe kRecipes[] = {
    {"scenes", {64, 64}, 0, 0, false},
    {"camvid", {352, 480}, 480, 360, false},
    {"camvid_day", {352, 480}, 480, 360, false},
    {"camvid_dusk", {352, 480}, 480, 360, false, "test"},
    {"pascal_context", {512, 512}, 520, 520, false},
    {"pascal_context_60", {512, 512}, 520, 520, false},
    {"voc2012", {512, 512}, 500, 500, true},
    {"voc2012_aug", {512, 512}, 500, 500, true},
    {"ade20k", {512, 512}, 2048, 512, false},
    {"cityscapes", {512, 1024}, 2048, 1024, true},
    {"mapillary", {512, 1024}, 2048, 1024, true},
    {"mapillary_v2", {512, 1024}, 2048, 1024, true},
    {"lip", {473, 473}, 520, 520, false, "val", kParsing},
    {"cihp", {473, 473}, 520, 520, false, "val", kParsing},
    {"dark_zurich", {512, 1024}, 2048, 1024, true, "val", kNightDriving},
    {"nighttime_driving", {512, 1024}, 2048, 1024, true, "test", kNightDriving},
};

const Recipe* FindRecipe(const std::string& name) {
  for (const Recipe& recipe : kRecipes) {
    if (name == recipe.name) return &recipe;
  }
  return nullptr;
}

// The crop of `options`, checked together with the rest of it.
absl::StatusOr<data::Size> CheckOptions(const DataOptions& options) {
  const Recipe* recipe = FindRecipe(options.name);
  if (recipe == nullptr) {
    return WrongFlag(absl::StrCat("--dataset=", options.name, " is unknown; choose one of ",
                                  absl::StrJoin(data::DatasetNames(), ", ")));
  }
  if (options.name != "scenes" && options.root.empty()) {
    return WrongFlag(absl::StrCat("--dataset=", options.name, " needs --data_root, the folder of its files"));
  }
  if (options.crop < 0 || options.crop % 32 != 0) {
    return WrongFlag(absl::StrCat("--crop=", options.crop, " must be a positive multiple of 32"));
  }
  return options.crop == 0 ? recipe->crop : data::Size{options.crop, options.crop};
}

absl::StatusOr<std::unique_ptr<data::Dataset>> OpenSplit(const DataOptions& options, data::Size crop,
                                                         const std::string& split) {
  data::DatasetOptions dataset;
  dataset.incomplete = options.incomplete;
  dataset.ignore_orientation = options.ignore_orientation;
  dataset.scenes.class_count = options.scene_classes;
  dataset.scenes.height = crop.height;
  dataset.scenes.width = crop.width;
  dataset.scenes.seed = options.scene_seed;
  dataset.scenes.light = options.scene_light;
  dataset.scenes.things = options.scene_things;
  if (options.scene_images > 0) dataset.scenes.training_size = options.scene_images;
  return data::OpenDataset(options.name, options.root, split, dataset);
}

InferenceOptions InferenceOf(const DataOptions& options) {
  InferenceOptions inference;
  const Recipe& recipe = *FindRecipe(options.name);
  const Protocol& protocol = recipe.protocol;
  if (options.name != "scenes") inference.scales = {options.image_scale * protocol.test_scale};
  if (protocol.test_height > 0) inference.size = {protocol.test_height, protocol.test_width};
  inference.average_logits = recipe.iseg || protocol.average_logits;
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

void DataOptions::Settings(SettingVisitor& visitor) {
  visitor.Group("Data");
  visitor.Setting("dataset", name, absl::StrJoin(data::DatasetNames(), " "));
  visitor.Path("data_root", root, "folder of the dataset's files");
  visitor.Setting("crop", crop, "side of training crops, a multiple of 32; 0: as published", AtLeast(0));
  visitor.Setting("image_scale", image_scale, "images are resized to this share of their size", Bounds{0, 4, true});
  visitor.Setting("scene_classes", scene_classes, "of the embedded scenes", In(2, 24));
  visitor.Setting("scene_images", scene_images, "distinct training scenes; 0: never one twice", AtLeast(0));
  visitor.Setting("scene_light", scene_light, "of the embedded scenes: day, night, haze, other (a style of drawing)");
  visitor.Setting("scene_things", scene_things, "things are the classes, all else is background");
  visitor.Setting("ignore_orientation", ignore_orientation, "photos as stored, whatever their orientation tag says");
  visitor.Setting("scene_seed", scene_seed, "of the embedded scenes").OfTheRow();
}

std::string ScoredSplit(const std::string& name) {
  const Recipe* recipe = FindRecipe(name);
  return recipe == nullptr ? "val" : recipe->scored;
}

bool ParseSceneLight(const std::string& text, data::SceneLight& light, std::string& error) {
  return SettingText<data::SceneLight>::Parse(text, light, error);
}

data::Size PublishedCrop(const std::string& name) {
  const Recipe* recipe = FindRecipe(name);
  return recipe == nullptr ? data::Size{} : recipe->crop;
}

absl::StatusOr<EvaluationData> OpenEvaluationData(const DataOptions& options, const std::string& split) {
  const absl::StatusOr<data::Size> crop = CheckOptions(options);
  if (!crop.ok()) return crop.status();
  absl::StatusOr<std::unique_ptr<data::Dataset>> dataset = OpenSplit(options, *crop, split);
  if (!dataset.ok()) return dataset.status();
  InferenceOptions inference = InferenceOf(options);
  inference.mirrored_classes = (*dataset)->info().mirrored_classes;
  return EvaluationData{*std::move(dataset), std::move(inference)};
}

absl::StatusOr<OpenedData> OpenData(const DataOptions& options) {
  const absl::StatusOr<data::Size> crop = CheckOptions(options);
  if (!crop.ok()) return crop.status();
  OpenedData opened;
  absl::StatusOr<std::unique_ptr<data::Dataset>> training = OpenSplit(options, *crop, "train");
  if (!training.ok()) return training.status();
  absl::StatusOr<EvaluationData> validation = OpenEvaluationData(options, "val");
  if (!validation.ok()) return validation.status();
  opened.training = *std::move(training);
  opened.validation = std::move(validation->dataset);
  opened.root = options.root;
  opened.inference = std::move(validation->inference);
  for (const data::Dataset* dataset : {opened.training.get(), opened.validation.get()}) {
    for (const std::string& note : dataset->Notes())
      opened.notes.push_back(absl::StrCat(dataset->info().split, ": ", note));
  }
  opened.crop_height = crop->height;
  opened.crop_width = crop->width;
  if (options.name == "scenes") {
    opened.augmentation = {data::HorizontalFlip(0.5f)};
    opened.description = absl::StrFormat(
        "embedded scenes%s, %d×%d, %d classes, %s",
        options.scene_light == data::SceneLight::kDay
            ? ""
            : absl::StrCat(" (", SettingText<data::SceneLight>::Print(options.scene_light), ")"),
        crop->width, crop->height, opened.training->info().num_classes(),
        options.scene_images > 0 ? absl::StrCat(options.scene_images, " training images") : "endless training images");
    return opened;
  }
  // Factors of the image's own size, as iSeg (the code base RSS comes from) scales; 0.5 to 2 as most do.
  const Recipe& recipe = *FindRecipe(options.name);
  const double scale = options.image_scale;
  opened.augmentation = {data::FitResizeAndCrop({.long_side = recipe.long_side,
                                                 .short_side = recipe.short_side,
                                                 .crop_height = crop->height,
                                                 .crop_width = crop->width,
                                                 .smallest_scale = recipe.protocol.smallest_scale * scale,
                                                 .largest_scale = recipe.protocol.largest_scale * scale,
                                                 .keep_ratio = recipe.protocol.keep_ratio}),
                         data::HorizontalFlip(0.5f, data::MirroredPairs(opened.training->info())),
                         data::PhotometricDistortion(recipe.iseg ? BrightnessOnly() : data::PhotometricOptions())};
  opened.description =
      absl::StrFormat("%s, %d classes, %d training and %d validation images, crops of %d×%d at %g of full size",
                      opened.training->info().name, opened.training->info().num_classes(), opened.training->size(),
                      opened.validation->size(), crop->width, crop->height, scale);
  return opened;
}

std::unique_ptr<Scorer> OpenedData::NewScorer() const {
  return scorer != nullptr ? scorer() : MakeScorer(validation->info(), root);
}

absl::Status CheckFiles(const OpenedData& data, const std::function<bool()>& interrupted) {
  for (const data::Dataset* dataset : {data.training.get(), data.validation.get()}) {
    if (absl::Status status = dataset->CheckFiles(interrupted); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace experiments
