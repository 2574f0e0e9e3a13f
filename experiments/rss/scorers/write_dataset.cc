// Writes a dataset as files: images/ID.png, and labels/ID.png by class number (255 is void). For scorers that know the labels in
// the program's place, and to look at the embedded scenes.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/formats/png.h"
#include "experiments/runner/dataset_choice.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"

ABSL_FLAG(std::string, output, "", "folder to write to");
ABSL_FLAG(std::string, split, "train", "train or val");
ABSL_FLAG(std::string, dataset, "scenes", "scenes, camvid, pascal_context and what else rss_pascal_context takes");
ABSL_FLAG(std::string, data_root, "", "folder of the dataset's files; not for scenes");
ABSL_FLAG(int, crop, 64, "size of the embedded scenes");
ABSL_FLAG(int, scene_classes, 6, "classes of the embedded scenes");
ABSL_FLAG(int64_t, scene_images, 1000, "training images of the embedded scenes: train with the same --scene_images");

namespace experiments {
namespace {

absl::Status Main() {
  if (absl::GetFlag(FLAGS_output).empty()) return absl::InvalidArgumentError("--output is missing");
  const std::string split = absl::GetFlag(FLAGS_split);
  if (split != "train" && split != "val")
    return absl::InvalidArgumentError(absl::StrCat("--split=", split, " is not train or val"));
  DatasetChoice choice;
  choice.name = absl::GetFlag(FLAGS_dataset);
  choice.root = ResolvePath(absl::GetFlag(FLAGS_data_root));
  choice.crop = absl::GetFlag(FLAGS_crop);
  choice.scene_classes = absl::GetFlag(FLAGS_scene_classes);
  choice.scene_images = absl::GetFlag(FLAGS_scene_images);
  if (choice.scene_images < 1) return absl::InvalidArgumentError("--scene_images must be at least 1");
  const absl::StatusOr<ChosenData> chosen = OpenChosenData(choice);
  if (!chosen.ok()) return chosen.status();
  const data::Dataset& dataset = split == "train" ? *chosen->training : *chosen->validation;

  const absl::StatusOr<std::string> output = CreateOutputFolder(absl::GetFlag(FLAGS_output));
  if (!output.ok()) return output.status();
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const absl::StatusOr<data::Sample> sample = dataset.Load(i);
    if (!sample.ok()) return sample.status();
    const std::string image = absl::StrCat(*output, "/images/", sample->id, ".png"),
                      label = absl::StrCat(*output, "/labels/", sample->id, ".png");
    for (const std::string& path : {image, label}) {
      std::error_code error;
      std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
      if (error) return absl::PermissionDeniedError(absl::StrCat("--output: ", path, ": ", error.message()));
    }
    absl::Status status = data::WritePng(image, sample->image);
    if (status.ok()) status = data::WriteLabelPng(label, sample->label);
    if (!status.ok()) return status;
  }
  std::printf("%lld images and label maps in %s\n", static_cast<long long>(dataset.size()), output->c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  return experiments::RunProgram(argc, argv, "write_dataset",
                                 "writes a dataset's images and label maps as PNG files.\n\n"
                                 "  write_dataset --output=scenes --scene_images=1000\n"
                                 "  write_dataset --output=camvid --dataset=camvid --data_root=DIR",
                                 experiments::Main);
}
