#include "data/datasets/cityscapes.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"
#include "data/formats/read_image.h"

namespace data {
namespace {

namespace fs = std::filesystem;

constexpr char kImageSuffix[] = "_leftImg8bit.png";
constexpr char kLabelSuffix[] = "_gtFine_labelIds.png";
constexpr char kTrainIdSuffix[] = "_gtFine_labelTrainIds.png";

struct CityscapesClass {
  const char* name;
  uint8_t label_id;
  Color color;
};

// Position = train id.
constexpr CityscapesClass kClasses[] = {
    {"road", 7, {128, 64, 128}},
    {"sidewalk", 8, {244, 35, 232}},
    {"building", 11, {70, 70, 70}},
    {"wall", 12, {102, 102, 156}},
    {"fence", 13, {190, 153, 153}},
    {"pole", 17, {153, 153, 153}},
    {"traffic light", 19, {250, 170, 30}},
    {"traffic sign", 20, {220, 220, 0}},
    {"vegetation", 21, {107, 142, 35}},
    {"terrain", 22, {152, 251, 152}},
    {"sky", 23, {70, 130, 180}},
    {"person", 24, {220, 20, 60}},
    {"rider", 25, {255, 0, 0}},
    {"car", 26, {0, 0, 142}},
    {"truck", 27, {0, 0, 70}},
    {"bus", 28, {0, 60, 100}},
    {"train", 31, {0, 80, 100}},
    {"motorcycle", 32, {0, 0, 230}},
    {"bicycle", 33, {119, 11, 32}},
};
// Unlabelled, ego vehicle, borders, static, dynamic, ground; parking, rail track; guard rail, bridge, tunnel; pole
// group; caravan, trailer.
constexpr uint8_t kVoidIds[] = {0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30};

fs::path FindRoot(const std::string& data_root) {
  const fs::path root = data_root, below = root / "cityscapes";
  std::error_code ignored;
  return !fs::exists(root / "leftImg8bit", ignored) && fs::exists(below / "leftImg8bit", ignored) ? below : root;
}

}  // namespace

DatasetInfo CityscapesInfo(const std::string& split) {
  DatasetInfo info;
  info.name = "cityscapes";
  info.split = split;
  for (const CityscapesClass& entry : kClasses) {
    info.class_names.push_back(entry.name);
    info.palette.push_back(entry.color);
    info.stored_values.push_back(entry.label_id);
  }
  info.labelled = split != "test";
  return info;
}

LabelEncoding CityscapesEncoding(bool train_ids) {
  if (!train_ids)
    return EncodingOf(CityscapesInfo("train"), std::vector<uint8_t>(std::begin(kVoidIds), std::end(kVoidIds)));
  LabelEncoding encoding(256, kInvalidValue);
  for (size_t id = 0; id < std::size(kClasses); ++id) encoding[id] = static_cast<int16_t>(id);
  encoding[kVoidLabel] = kVoidLabel;
  return encoding;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenCityscapes(const std::string& data_root, const std::string& split,
                                                        const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "Cityscapes"); !status.ok()) return status;
  const fs::path root = FindRoot(data_root);
  FileDatasetContents contents;
  contents.info = CityscapesInfo(split);
  const DatasetInfo& info = contents.info;
  const FileGroup images = {(root / "leftImg8bit" / split).string(), kImageSuffix};
  FileGroup labels;
  contents.encoding = CityscapesEncoding(/*train_ids=*/false);
  if (info.labelled) {
    const fs::path folder = root / "gtFine" / split;
    const bool train_ids =
        !HasFile(folder.string(), kLabelSuffix, /*depth=*/1) && HasFile(folder.string(), kTrainIdSuffix, /*depth=*/1);
    labels = {folder.string(), train_ids ? kTrainIdSuffix : kLabelSuffix};
    contents.encoding = CityscapesEncoding(train_ids);
  }
  if (absl::Status status = PairFiles(images, labels, contents); !status.ok())
    return absl::Status(status.code(), absl::StrCat("Cityscapes, split '", split, "': ", status.message()));
  return FileDataset::Create(std::move(contents), options);
}

absl::StatusOr<IndexMap> ReadCityscapesInstances(const std::string& data_root, const std::string& split,
                                                 const std::string& id) {
  const std::string city = id.substr(0, id.find('_'));
  return ReadIndexMap((FindRoot(data_root) / "gtFine" / split / city / (id + "_gtFine_instanceIds.png")).string());
}

}  // namespace data
