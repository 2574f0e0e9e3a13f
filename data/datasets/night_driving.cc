#include "data/datasets/night_driving.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/file_dataset.h"
#include "data/datasets/split_list.h"
#include "data/formats/image_files.h"

namespace data {
namespace {

namespace fs = std::filesystem;

// What the label files store, by what their names end with: <stem><before>labelTrainIds.png or ...labelIds.png.
std::string SetLabels(const std::string& folder, const std::string& before, FileDatasetContents& contents) {
  const std::string train_ids = before + "labelTrainIds.png", label_ids = before + "labelIds.png";
  const bool as_label_ids = !HasFile(folder, train_ids, /*depth=*/1) && HasFile(folder, label_ids, /*depth=*/1);
  contents.encoding = CityscapesEncoding(/*train_ids=*/!as_label_ids);
  if (!as_label_ids) {
    for (int id = 0; id < contents.info.num_classes(); ++id) contents.info.stored_values[id] = static_cast<uint8_t>(id);
  }
  return as_label_ids ? label_ids : train_ids;
}

absl::Status OnlySplit(const std::string& dataset, const std::string& split, const std::string& only) {
  if (split == only) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(dataset, " has no split '", split, "', only ", only));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenDarkZurich(const std::string& data_root, const std::string& split,
                                                        const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "Dark Zurich"); !status.ok()) return status;
  if (absl::Status status = OnlySplit("Dark Zurich", split, "val"); !status.ok()) return status;
  fs::path root = data_root;
  for (const char* below : {"Dark_Zurich_val_anon", "dark_zurich"}) {
    if (!Exists(root / "rgb_anon") && Exists(root / below)) root /= below;
  }
  FileDatasetContents contents;
  contents.info = CityscapesInfo(split);
  contents.info.name = "dark_zurich";
  const fs::path images = root / "rgb_anon/val", labels = root / "gt/val";
  const std::string label_suffix = SetLabels((labels / "night").string(), "_gt_", contents);
  const fs::path list = root / "lists_file_names/val_filenames.txt";
  if (!Exists(list)) {
    if (absl::Status status = PairFiles({(images / "night").string(), "_rgb_anon.png"},
                                        {(labels / "night").string(), label_suffix}, contents);
        !status.ok())
      return absl::Status(status.code(), absl::StrCat("Dark Zurich, split val: ", status.message()));
    return FileDataset::Create(std::move(contents), options);
  }
  FileFinder finder;
  const auto path = [](const fs::path& folder, absl::string_view entry, const std::string& suffix) {
    absl::ConsumePrefix(&entry, "val/");
    return (folder / absl::StrCat(entry, suffix)).string();
  };
  const absl::StatusOr<std::vector<std::string>> entries = ReadIds(list.string(), [&](const std::string& entry) {
    return finder.Find(path(images, entry, "_rgb_anon.png"), FileKind::kImage).has_value();
  });
  if (!entries.ok()) return entries.status();
  for (const std::string& entry : *entries) {
    contents.files.push_back({fs::path(entry).filename().string(),
                              finder.FindOrKeep(path(images, entry, "_rgb_anon.png"), FileKind::kImage),
                              finder.FindOrKeep(path(labels, entry, label_suffix), FileKind::kExact)});
  }
  DropRepeated(list.filename().string(), contents);
  return FileDataset::Create(std::move(contents), options);
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenNighttimeDriving(const std::string& data_root, const std::string& split,
                                                              const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "Nighttime Driving"); !status.ok()) return status;
  if (absl::Status status = OnlySplit("Nighttime Driving", split, "test"); !status.ok()) return status;
  fs::path root = data_root;
  for (const char* below : {"NighttimeDrivingTest", "nighttime_driving"}) {
    if (!Exists(root / "leftImg8bit") && Exists(root / below)) root /= below;
  }
  FileDatasetContents contents;
  contents.info = CityscapesInfo(split);
  contents.info.name = "nighttime_driving";
  contents.info.labelled = true;  // as that of Cityscapes is not
  const std::string images = (root / "leftImg8bit/test/night").string(),
                    labels = (root / "gtCoarse_daytime_trainvaltest/test/night").string();
  const std::string label_suffix = SetLabels(labels, "_gtCoarse_", contents);
  if (absl::Status status = PairFiles({images, "_leftImg8bit.png"}, {labels, label_suffix}, contents); !status.ok())
    return absl::Status(status.code(), absl::StrCat("Nighttime Driving, split test: ", status.message()));
  return FileDataset::Create(std::move(contents), options);
}

}  // namespace data
