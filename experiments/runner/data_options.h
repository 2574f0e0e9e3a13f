#pragma once

// The datasets an experiment can be pointed at, with the augmentation and inference that belong to each.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"
#include "data/scenes/light.h"
#include "data/transforms/transform.h"
#include "experiments/runner/evaluation.h"
#include "experiments/runner/scorer.h"
#include "experiments/settings/settings.h"

namespace experiments {

struct DataOptions {
  std::string name = "scenes";  // one of data::DatasetNames()
  std::string root;             // of the files; not for scenes
  int crop = 64;                // side of the training crops; also the size of the embedded scenes. 0: PublishedCrop()
  // Images are resized to this share of their size, for training and evaluation; labels are scored at their own size.
  double image_scale = 1;
  int scene_classes = 6;
  uint64_t scene_seed = 0;
  int64_t scene_images = 0;  // distinct training scenes; 0 never repeats one
  data::SceneLight scene_light = data::SceneLight::kDay;
  bool scene_things = false;  // what is no thing is one class, the background (SceneOptions::things)
  // Images are taken as their files store them, whatever their orientation tags say: for labels that follow the stored
  // pixels.
  bool ignore_orientation = false;
  data::IncompleteSamples incomplete = data::IncompleteSamples::kRefuse;

  void Settings(SettingVisitor& visitor);
};

struct OpenedData {
  std::unique_ptr<data::Dataset> training, validation;
  data::TransformPipeline augmentation;
  int crop_height = 0, crop_width = 0;
  InferenceOptions inference;
  std::string root;                // of the files
  std::string description;         // one line for people
  std::vector<std::string> notes;  // on how the files were taken
  // Of a protocol that is not the dataset's own; may be null.
  std::function<std::unique_ptr<Scorer>()> scorer;

  // What counts predictions on `validation`: the protocol's, or MakeScorer's of the dataset.
  std::unique_ptr<Scorer> NewScorer() const;
};

// NotFound or InvalidArgument naming the flag, file or folder at fault.
absl::StatusOr<OpenedData> OpenData(const DataOptions& options);

// Looks at the headers and the ends of all files, so that one that cannot be read ends a run in its first seconds, not
// at its end. Cancelled where `interrupted` says so.
absl::Status CheckFiles(const OpenedData& data, const std::function<bool()>& interrupted);

struct EvaluationData {
  std::unique_ptr<data::Dataset> dataset;
  InferenceOptions inference;
};

// One split alone: train, val, test or what else the dataset has. The same errors.
absl::StatusOr<EvaluationData> OpenEvaluationData(const DataOptions& options, const std::string& split);

// The split that the scores of a dataset are published of: "val", but for those that have none.
std::string ScoredSplit(const std::string& name);

// "day", "night", …; false with the texts there are in `error` for another one.
bool ParseSceneLight(const std::string& text, data::SceneLight& light, std::string& error);

// The crop that published networks are trained with, in pixels at full size: 512×512 for Pascal Context, VOC and
// ADE20K, 512 high and 1024 wide for Cityscapes and Mapillary Vistas.
data::Size PublishedCrop(const std::string& name);

}  // namespace experiments
