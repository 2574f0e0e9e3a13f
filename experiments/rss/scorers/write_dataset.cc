// Writes a dataset as files: images/ID.png, and labels/ID.png by class number (255 is void). For scorers that know the
// labels in the program's place, and to look at the embedded scenes.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "data/formats/png.h"
#include "experiments/runner/data_options.h"
#include "experiments/runner/output_folder.h"
#include "experiments/runner/program.h"

namespace experiments {
namespace {

struct WriteOptions {
  std::string output;
  std::string split = "train";
  DataOptions data;

  WriteOptions() { data.scene_images = 1000; }
  void Settings(SettingVisitor& visitor) {
    visitor.Group("What to write");
    visitor.Path("output", output, "folder to write to");
    visitor.Setting("split", split, "train or val");
    data.Settings(visitor);
  }
};

absl::Status Write(const WriteOptions& options) {
  if (options.output.empty()) return WrongFlag("--output is missing");
  if (options.split != "train" && options.split != "val")
    return WrongFlag(absl::StrCat("--split=", options.split, " is not train or val"));
  if (options.data.name == "scenes" && options.data.scene_images < 1)
    return WrongFlag("--scene_images=0: an endless dataset cannot be written");
  const absl::StatusOr<OpenedData> opened = OpenData(options.data);
  if (!opened.ok()) return opened.status();
  const data::Dataset& dataset = options.split == "train" ? *opened->training : *opened->validation;

  const absl::StatusOr<std::string> output = CreateOutputFolder(options.output);
  if (!output.ok()) return output.status();
  std::set<std::string> written;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const absl::StatusOr<data::Sample> sample = dataset.Load(i);
    if (!sample.ok()) return sample.status();
    if (!written.insert(sample->id).second)
      return absl::FailedPreconditionError(
          absl::StrCat("--output: two samples are called ", sample->id, ", and one file cannot hold both"));
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
  return experiments::RunProgram<experiments::WriteOptions>(argc, argv, "write_dataset",
                                                            "writes a dataset's images and label maps as PNG files.\n\n"
                                                            "  write_dataset --output=scenes --scene_images=1000\n"
                                                            "  write_dataset --output=camvid --dataset=camvid "
                                                            "--data_root=DIR",
                                                            experiments::Write);
}
