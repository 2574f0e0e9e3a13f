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

constexpr const char* kDuskPrefix = "0001TP";

const char* NameOf(CamVidPart part) {
  return part == CamVidPart::kAll ? "camvid" : part == CamVidPart::kDay ? "camvid_day" : "camvid_dusk";
}

absl::Status AddListed(const fs::path& root, const std::string& split, CamVidPart part, FileFinder& finder,
                       FileDatasetContents& contents) {
  const std::string list = (root / (split + ".txt")).string();
  const absl::StatusOr<std::vector<ListLine>> lines = ReadList(list);
  if (!lines.ok()) return lines.status();
  for (const ListLine& line : *lines) {
    if (line.fields.size() != 2) return WrongFields(list, line, "2 fields");
    const std::string id = fs::path(line.fields[0]).stem().string();
    if (part != CamVidPart::kAll && absl::StartsWith(id, kDuskPrefix) != (part == CamVidPart::kDusk)) continue;
    contents.files.push_back({id, finder.FindOrKeep(Resolve(root, line.fields[0]), FileKind::kImage),
                              finder.FindOrKeep(Resolve(root, line.fields[1]), FileKind::kExact)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenCamVid(const std::string& data_root, const std::string& split,
                                                    const FileOptions& options, CamVidPart part) {
  const std::string name = NameOf(part);
  if (absl::Status status = CheckDataRoot(data_root, name); !status.ok()) return status;
  const bool dusk = part == CamVidPart::kDusk;
  if (dusk && split != "test")
    return absl::NotFoundError(absl::StrCat(name, " has no split '", split, "', only test: nothing is trained on it"));
  const auto has_list = [dusk, &split](const fs::path& folder) {
    std::error_code ignored;
    return fs::exists(folder / (split + ".txt"), ignored) || (dusk && fs::exists(folder / "train.txt", ignored));
  };
  fs::path root = data_root;
  std::error_code ignored;
  for (const char* folder : {"CamVid", "camvid"}) {
    if (!has_list(root) && fs::exists(root / folder, ignored)) root /= folder;
  }
  FileDatasetContents contents;
  contents.info = CamVidInfo(split);
  contents.info.name = name;
  contents.encoding = EncodingOf(contents.info, {kUnlabelled});
  FileFinder finder;
  for (const std::string& list : dusk ? std::vector<std::string>{"train", "val", "test"} : std::vector{split}) {
    if (dusk && list != "train" && !fs::exists(root / (list + ".txt"), ignored)) continue;
    if (absl::Status status = AddListed(root, list, part, finder, contents); !status.ok()) return status;
  }
  if (contents.files.empty())
    return absl::NotFoundError(absl::StrCat(name, ": no image of the lists in '", root.string(), "' is ",
                                            dusk ? "at dusk: none is called " : "by day: all are called ", kDuskPrefix,
                                            "_…"));
  DropRepeated(split + ".txt", contents);
  return FileDataset::Create(std::move(contents), options);
}

}  // namespace data
