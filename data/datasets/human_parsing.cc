#include "data/datasets/human_parsing.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"
#include "data/datasets/split_list.h"
#include "data/formats/image_files.h"

namespace data {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCihpDigits = 7;

struct Part {
  const char* name;
  Color color;
};
constexpr Part kParts[] = {
    {"Background", {0, 0, 0}},    {"Hat", {128, 0, 0}},          {"Hair", {255, 0, 0}},
    {"Glove", {0, 85, 0}},        {"Sunglasses", {170, 0, 51}},  {"Upper-clothes", {255, 85, 0}},
    {"Dress", {0, 0, 85}},        {"Coat", {0, 119, 221}},       {"Socks", {85, 85, 0}},
    {"Pants", {0, 85, 85}},       {"Jumpsuits", {85, 51, 0}},    {"Scarf", {52, 86, 128}},
    {"Skirt", {0, 128, 0}},       {"Face", {0, 0, 255}},         {"Left-arm", {51, 170, 221}},
    {"Right-arm", {0, 255, 255}}, {"Left-leg", {85, 255, 170}},  {"Right-leg", {170, 255, 85}},
    {"Left-shoe", {255, 255, 0}}, {"Right-shoe", {255, 170, 0}},
};
constexpr int kFirstSide = 14;  // from here on parts come in pairs, left and right

DatasetInfo HumanParsingInfo(const std::string& name, const std::string& split) {
  DatasetInfo info;
  info.name = name;
  info.split = split;
  for (const Part& part : kParts) {
    const uint8_t id = static_cast<uint8_t>(info.num_classes());
    info.stored_values.push_back(id);
    info.mirrored_classes.push_back(id < kFirstSide ? id : static_cast<uint8_t>(id ^ 1));
    info.class_names.push_back(part.name);
    info.palette.push_back(part.color);
  }
  if (name == "cihp") info.class_names[kUnlikeHumanParsingClass] = "Torso-skin";
  info.labelled = split != "test";
  return info;
}

// The first of these below the root that exists; else the first.
fs::path FirstOf(const fs::path& root, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (Exists(root / name)) return root / name;
  }
  return root / *names.begin();
}

struct Places {
  fs::path images, labels;
  fs::path list;                                      // empty: all images
  std::function<std::string(const std::string&)> id;  // of a list's entry
};

absl::StatusOr<std::unique_ptr<Dataset>> Open(const Places& places, FileDatasetContents contents,
                                              const FileOptions& options) {
  contents.encoding = EncodingOf(contents.info, {kVoidLabel});
  const auto named = [&](const std::string& what, const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
  };
  if (places.list.empty()) {
    const FileGroup labels = {contents.info.labelled ? places.labels.string() : "", ".png"};
    if (absl::Status status = PairFiles({places.images.string(), ".jpg"}, labels, contents); !status.ok())
      return named(absl::StrCat(contents.info.name, ", split ", contents.info.split), status);
    return FileDataset::Create(std::move(contents), options);
  }
  FileFinder finder;
  const auto image_of = [&](const std::string& id) { return (places.images / (id + ".jpg")).string(); };
  const absl::StatusOr<std::vector<std::string>> ids = ReadIds(places.list.string(), [&](const std::string& id) {
    return finder.Find(image_of(places.id(id)), FileKind::kImage).has_value();
  });
  if (!ids.ok()) return ids.status();
  for (const std::string& entry : *ids) {
    SampleFiles sample;
    sample.id = places.id(entry);
    sample.image = finder.FindOrKeep(image_of(sample.id), FileKind::kImage);
    if (contents.info.labelled)
      sample.label = finder.FindOrKeep((places.labels / (sample.id + ".png")).string(), FileKind::kExact);
    contents.files.push_back(std::move(sample));
  }
  DropRepeated(places.list.filename().string(), contents);
  absl::StatusOr<std::unique_ptr<Dataset>> dataset = FileDataset::Create(std::move(contents), options);
  if (!dataset.ok()) return named(places.list.string(), dataset.status());
  return dataset;
}

absl::Status CheckSplit(const std::string& dataset, const std::string& split) {
  if (split == "train" || split == "val" || split == "test") return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(dataset, " has no split '", split, "', only train, val and test"));
}

// "2190" is 0002190.
std::string Padded(const std::string& id) {
  const bool number = std::all_of(id.begin(), id.end(), [](char c) { return absl::ascii_isdigit(c); });
  return number && id.size() < kCihpDigits ? std::string(kCihpDigits - id.size(), '0') + id : id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenLip(const std::string& data_root, const std::string& split,
                                                 const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "LIP"); !status.ok()) return status;
  if (absl::Status status = CheckSplit("LIP", split); !status.ok()) return status;
  const std::string images = split == "test" ? "testing_images" : split + "_images";
  const std::string labels = split + "_segmentations", list = split + "_id.txt";
  const auto below = [](const char* folder, const std::string& name) { return absl::StrCat(folder, "/", name); };
  fs::path root = data_root;
  for (const char* folder : {"LIP", "lip"}) {
    const bool here = Exists(root / images) || Exists(root / below("TrainVal_images", images)) ||
                      Exists(root / below("Testing_images", images));
    if (!here && Exists(root / folder)) root /= folder;
  }
  Places places;
  places.images =
      FirstOf(root, {images.c_str(), below("TrainVal_images", images).c_str(),
                     below("TrainVal_images/TrainVal_images", images).c_str(), below("Testing_images", images).c_str(),
                     below("Testing_images/Testing_images", images).c_str()});
  places.labels = FirstOf(root, {labels.c_str(), below("TrainVal_parsing_annotations", labels).c_str(),
                                 below("TrainVal_parsing_annotations/TrainVal_parsing_annotations", labels).c_str()});
  for (const fs::path& folder : {root, places.images.parent_path(), places.labels.parent_path()}) {
    if (places.list.empty() && Exists(folder / list)) places.list = folder / list;
  }
  places.id = [](const std::string& entry) { return entry; };
  FileDatasetContents contents;
  contents.info = HumanParsingInfo("lip", split);
  return Open(places, std::move(contents), options);
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenCihp(const std::string& data_root, const std::string& split,
                                                  const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "CIHP"); !status.ok()) return status;
  if (absl::Status status = CheckSplit("CIHP", split); !status.ok()) return status;
  const std::string folder = split == "train" ? "Training" : split == "val" ? "Validation" : "Testing";
  fs::path root = data_root;
  for (const char* below : {"CIHP", "cihp", "instance-level_human_parsing"}) {
    if (!Exists(root / folder) && Exists(root / below)) root /= below;
  }
  Places places;
  places.images = root / folder / "Images";
  places.labels = root / folder / "Category_ids";
  if (const fs::path list = root / folder / (split + "_id.txt"); Exists(list)) places.list = list;
  places.id = Padded;
  FileDatasetContents contents;
  contents.info = HumanParsingInfo("cihp", split);
  return Open(places, std::move(contents), options);
}

}  // namespace data
