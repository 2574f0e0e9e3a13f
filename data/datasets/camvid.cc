#include "data/datasets/camvid.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"

namespace data {
namespace {

namespace fs = std::filesystem;

constexpr uint8_t kUnlabelled = 11;

DatasetInfo CamVidInfo(const std::string& split) {
  DatasetInfo info;
  info.name = "camvid";
  info.split = split;
  info.class_names = {"Sky",        "Building", "Pole", "Road",       "Pavement", "Tree",
                      "SignSymbol", "Fence",    "Car",  "Pedestrian", "Bicyclist"};
  info.palette = {{128, 128, 128}, {128, 0, 0},   {192, 192, 128}, {128, 64, 128}, {60, 40, 222}, {128, 128, 0},
                  {192, 128, 128}, {64, 64, 128}, {64, 0, 128},    {64, 64, 0},    {0, 128, 192}};
  for (int id = 0; id < info.num_classes(); ++id) info.stored_values.push_back(static_cast<uint8_t>(id));
  return info;
}

// The file of a list entry: below the root, whatever absolute folder the list was made in.
std::string Resolve(const fs::path& root, const std::string& entry) {
  static constexpr char kPrefix[] = "/SegNet/CamVid/";
  fs::path path = absl::StartsWith(entry, kPrefix) ? root / entry.substr(sizeof(kPrefix) - 1)
                                                   : root / entry;  // an absolute entry stays as it is
  std::error_code ignored;
  if (fs::exists(path, ignored)) return path.string();
  for (const char* extension : {".jpg", ".png"}) {
    fs::path other = path;
    other.replace_extension(extension);
    if (fs::exists(other, ignored)) return other.string();
  }
  return path.string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenCamVid(const std::string& data_root, const std::string& split,
                                                    IncompleteSamples incomplete) {
  if (absl::Status status = CheckDataRoot(data_root, "camvid"); !status.ok()) return status;
  fs::path root = data_root;
  std::error_code ignored;
  for (const char* folder : {"CamVid", "camvid"}) {
    if (!fs::exists(root / (split + ".txt"), ignored) && fs::exists(root / folder, ignored)) root /= folder;
  }
  const std::string list = (root / (split + ".txt")).string();
  const auto entries = ReadList(list, 2, 2);
  if (!entries.ok()) return entries.status();
  std::vector<SampleFiles> files;
  for (const std::vector<std::string>& entry : *entries) {
    files.push_back({fs::path(entry[0]).stem().string(), Resolve(root, entry[0]), Resolve(root, entry[1])});
  }
  DatasetInfo info = CamVidInfo(split);
  LabelEncoding encoding = EncodingOf(info, {kUnlabelled});
  return FileDataset::Create({std::move(info), std::move(encoding), std::move(files)}, incomplete);
}

}  // namespace data
