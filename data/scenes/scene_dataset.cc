#include "data/scenes/scene_dataset.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/scenes/classes.h"
#include "data/scenes/compose.h"
#include "data/scenes/render.h"

namespace data {

absl::StatusOr<std::unique_ptr<Dataset>> SceneDataset::Create(const std::string& split, const SceneOptions& options) {
  if (split != "train" && split != "val") {
    return absl::InvalidArgumentError(absl::StrCat("scenes: there is no split '", split, "', only train and val"));
  }
  if (options.class_count < 2 || options.class_count > scenes::kClassCount) {
    return absl::InvalidArgumentError(
        absl::StrCat("scenes: class_count is ", options.class_count, ", but must be in 2..", int{scenes::kClassCount}));
  }
  if (options.height < 8 || options.width < 8 || options.height > 4096 || options.width > 4096) {
    return absl::InvalidArgumentError(
        absl::StrCat("scenes: the size is ", options.width, " x ", options.height, ", but both must be in 8..4096"));
  }
  if (options.training_size < 1 || options.validation_size < 1) {
    return absl::InvalidArgumentError("scenes: training_size and validation_size must be positive");
  }
  return std::unique_ptr<Dataset>(new SceneDataset(split, options));
}

SceneDataset::SceneDataset(const std::string& split, const SceneOptions& options)
    : options_(options),
      size_(split == "train" ? options.training_size : options.validation_size),
      key_(autograd::RandomKey(options.seed).Split("scenes").Split(split.c_str())) {
  info_.name = "scenes";
  info_.split = split;
  for (int label = 0; label < options.class_count; ++label) {
    info_.class_names.push_back(scenes::kClasses[label].name);
    info_.palette.push_back(scenes::kClasses[label].color);
    info_.stored_values.push_back(static_cast<uint8_t>(label));
  }
}

absl::StatusOr<Sample> SceneDataset::Load(int64_t index) const {
  if (size_ != SceneOptions::kUnlimited && (index < 0 || index >= size_)) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of scenes, which has ", size_));
  }
  const autograd::RandomKey key = key_.Split(static_cast<uint64_t>(index));
  const float aspect = static_cast<float>(options_.width) / static_cast<float>(options_.height);
  const scenes::Scene scene = scenes::ComposeScene(key.Split("scene"), options_.class_count, aspect);
  scenes::Rendering rendering = scenes::RenderScene(scene, options_.height, options_.width, key.Split("noise"));
  return Sample{std::move(rendering.image), std::move(rendering.label), absl::StrCat("scene_", info_.split, "_", index),
                index};
}

}  // namespace data
