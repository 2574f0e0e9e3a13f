#include "data/datasets/mapillary.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "data/datasets/file_dataset.h"
#include "nlohmann/json.hpp"

namespace data {
namespace {

namespace fs = std::filesystem;

struct Classes {
  DatasetInfo info;
  std::vector<uint8_t> void_values;
};

// One entry of "labels"; false if a field is missing or of another type.
bool AddLabel(const nlohmann::json& label, uint8_t value, Classes& classes) {
  if (!label.is_object()) return false;
  const auto name = label.find("readable"), evaluate = label.find("evaluate"), color = label.find("color");
  if (name == label.end() || !name->is_string() || evaluate == label.end() || !evaluate->is_boolean()) return false;
  if (color == label.end() || !color->is_array() || color->size() != 3) return false;
  for (const nlohmann::json& channel : *color) {
    if (!channel.is_number_unsigned() || channel.get<uint64_t>() > 255) return false;
  }
  if (!evaluate->get<bool>()) {
    classes.void_values.push_back(value);
    return true;
  }
  classes.info.class_names.push_back(name->get<std::string>());
  classes.info.palette.push_back({(*color)[0].get<uint8_t>(), (*color)[1].get<uint8_t>(), (*color)[2].get<uint8_t>()});
  classes.info.stored_values.push_back(value);
  return true;
}

absl::StatusOr<Classes> ReadConfiguration(const fs::path& path) {
  const absl::StatusOr<std::string> text = autograd::ReadFile(path.string());
  if (!text.ok()) return text.status();
  const auto wrong = [&path](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat("'", path.string(), "': ", what));
  };
  const nlohmann::json config = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return wrong("not a JSON object");
  const auto labels = config.find("labels");
  if (labels == config.end() || !labels->is_array()) return wrong("has no list 'labels'");
  if (labels->size() > kVoidLabel) return wrong(absl::StrCat("'labels' has ", labels->size(), " entries; 255 fit"));
  Classes classes;
  for (size_t i = 0; i < labels->size(); ++i) {
    if (!AddLabel((*labels)[i], static_cast<uint8_t>(i), classes))
      return wrong(absl::StrCat("entry ", i, " of 'labels' lacks a readable, evaluate or color that can be used"));
  }
  if (classes.info.class_names.empty()) return wrong("no entry of 'labels' is evaluated");
  return classes;
}

fs::path SplitFolder(const fs::path& root, const std::string& split) {
  const std::string released = split == "train" ? "training" : split == "val" ? "validation" : "testing";
  return !Exists(root / released) && Exists(root / split) ? root / split : root / released;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenMapillary(const std::string& data_root, const std::string& split,
                                                       const MapillaryOptions& options, const FileOptions& files) {
  if (absl::Status status = CheckDataRoot(data_root, "Mapillary Vistas"); !status.ok()) return status;
  if (split != "train" && split != "val" && split != "test")
    return absl::InvalidArgumentError(absl::StrCat("Mapillary Vistas has no split '", split, "'; train, val, test"));
  if (options.version != "v1.2" && options.version != "v2.0")
    return absl::InvalidArgumentError(absl::StrCat("Mapillary Vistas has no version '", options.version, "'"));
  const fs::path root = data_root;
  fs::path config = root / absl::StrCat("config_", options.version, ".json");
  if (options.version == "v1.2" && !Exists(config) && Exists(root / "config.json")) config = root / "config.json";
  absl::StatusOr<Classes> classes = ReadConfiguration(config);
  if (!classes.ok()) return classes.status();
  FileDatasetContents contents;
  contents.info = std::move(classes->info);
  DatasetInfo& info = contents.info;
  info.name = options.version == "v1.2" ? "mapillary" : "mapillary_v2";
  info.split = split;
  info.labelled = split != "test";
  info.palette_files = true;

  const fs::path folder = SplitFolder(root, split);
  FileGroup labels;
  if (info.labelled) {
    fs::path label_folder = folder / options.version / "labels";
    if (options.version == "v1.2" && !Exists(label_folder) && Exists(folder / "labels"))
      label_folder = folder / "labels";
    labels = {label_folder.string(), ".png"};
  }
  if (absl::Status status = PairFiles({(folder / "images").string(), ".jpg"}, labels, contents); !status.ok())
    return absl::Status(status.code(), absl::StrCat("Mapillary Vistas, split '", split, "': ", status.message()));
  contents.encoding = EncodingOf(info, classes->void_values);
  return FileDataset::Create(std::move(contents), files);
}

}  // namespace data
