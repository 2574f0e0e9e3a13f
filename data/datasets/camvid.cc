#include "data/datasets/camvid.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"
#include "data/datasets/split_list.h"
#include "data/formats/image_files.h"

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
  const fs::path path = absl::StartsWith(entry, kPrefix) ? root / entry.substr(sizeof(kPrefix) - 1)
                                                         : root / entry;  // an absolute entry stays as it is
  return path.string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenCamVid(const std::string& data_root, const std::string& split,
                                                    const FileOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "camvid"); !status.ok()) return status;
  fs::path root = data_root;
  std::error_code ignored;
  for (const char* folder : {"CamVid", "camvid"}) {
    if (!fs::exists(root / (split + ".txt"), ignored) && fs::exists(root / folder, ignored)) root /= folder;
  }
  const std::string list = (root / (split + ".txt")).string();
  const absl::StatusOr<std::vector<ListLine>> lines = ReadList(list);
  if (!lines.ok()) return lines.status();
  FileDatasetContents contents;
  contents.info = CamVidInfo(split);
  contents.encoding = EncodingOf(contents.info, {kUnlabelled});
  FileFinder finder;
  for (const ListLine& line : *lines) {
    if (line.fields.size() != 2) return WrongFields(list, line, "2 fields");
    contents.files.push_back({fs::path(line.fields[0]).stem().string(),
                              finder.FindOrKeep(Resolve(root, line.fields[0]), FileKind::kImage),
                              finder.FindOrKeep(Resolve(root, line.fields[1]), FileKind::kExact)});
  }
  DropRepeated(split + ".txt", contents);
  return FileDataset::Create(std::move(contents), options);
}

}  // namespace data
