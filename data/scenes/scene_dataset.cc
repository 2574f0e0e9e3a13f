#include "data/scenes/scene_dataset.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "data/scenes/classes.h"
#include "data/scenes/compose.h"
#include "data/scenes/light.h"
#include "data/scenes/objects.h"
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
  if (options.things && options.class_count <= scenes::kTree) {
    return absl::InvalidArgumentError(absl::StrCat("scenes: there is no thing among the first ", options.class_count,
                                                   " classes; class_count must be at least ", scenes::kTree + 1));
  }
  return std::unique_ptr<Dataset>(new SceneDataset(split, options));
}

SceneDataset::SceneDataset(const std::string& split, const SceneOptions& options)
    : options_(options),
      size_(split == "train" ? options.training_size : options.validation_size),
      key_(autograd::RandomKey(options.seed).Split("scenes").Split(split.c_str())) {
  info_.name = "scenes";
  info_.split = split;
  const auto add = [this](const char* name, const Color& color) {
    info_.stored_values.push_back(static_cast<uint8_t>(info_.num_classes()));
    info_.class_names.push_back(name);
    info_.palette.push_back(color);
  };
  if (options.things) add("background", {0, 0, 0});
  for (int label = 0; label < options.class_count; ++label) {
    const bool background = options.things && !scenes::IsThing(label);
    train_ids_.push_back(static_cast<uint8_t>(background ? 0 : info_.num_classes()));
    if (!background) add(scenes::kClasses[label].name, scenes::kClasses[label].color);
  }
}

absl::StatusOr<Sample> SceneDataset::Load(int64_t index) const {
  if (size_ != SceneOptions::kUnlimited && (index < 0 || index >= size_)) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of scenes, which has ", size_));
  }
  const autograd::RandomKey key = key_.Split(static_cast<uint64_t>(index));
  const float aspect = static_cast<float>(options_.width) / static_cast<float>(options_.height);
  scenes::Scene scene = scenes::ComposeScene(key.Split("scene"), options_.class_count, aspect);
  scenes::Illuminate(options_.light, key.Split("light"), scene);
  scenes::Rendering rendering = scenes::RenderScene(scene, options_.height, options_.width, key.Split("noise"));
  if (options_.things) {
    for (uint8_t& value : rendering.label.values) value = train_ids_[value];
  }
  return Sample{std::move(rendering.image), std::move(rendering.label), absl::StrCat("scene_", info_.split, "_", index),
                index};
}

}  // namespace data
