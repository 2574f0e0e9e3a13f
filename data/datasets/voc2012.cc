#include "data/datasets/voc2012.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/datasets/file_dataset.h"

namespace data {
namespace {

namespace fs = std::filesystem;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

DatasetInfo VocInfo(const std::string& split, const Voc2012Options& options) {
  DatasetInfo info;
  info.name = options.augmented ? "voc2012_aug" : "voc2012";
  info.split = split;
  info.class_names = {"background", "aeroplane", "bicycle",     "bird",  "boat",        "bottle", "bus",
                      "car",        "cat",       "chair",       "cow",   "diningtable", "dog",    "horse",
                      "motorbike",  "person",    "pottedplant", "sheep", "sofa",        "train",  "tvmonitor"};
  for (int id = 0; id < info.num_classes(); ++id) {
    info.palette.push_back(VocColor(id));
    info.stored_values.push_back(static_cast<uint8_t>(id));
  }
  info.palette_files = true;
  return info;
}

// Where the files are. `sbd` is empty if SBD is not there.
struct Folders {
  fs::path voc, sbd;
};

absl::StatusOr<Folders> FindFolders(const std::string& data_root) {
  const fs::path root = data_root;
  Folders folders;
  for (const fs::path& voc : {root / "VOCdevkit" / "VOC2012", root / "VOC2012", root}) {
    if (folders.voc.empty() && Exists(voc / "JPEGImages")) folders.voc = voc;
  }
  if (folders.voc.empty()) {
    return absl::NotFoundError(absl::StrCat("data root '", data_root,
                                            "' holds no VOCdevkit/VOC2012/JPEGImages, the images of PASCAL VOC 2012"));
  }
  for (const fs::path& above : {root, folders.voc}) {
    for (const char* name : {"benchmark_RELEASE/dataset", "SBD/dataset", "sbd/dataset", "dataset", "SBD", "sbd"}) {
      if (folders.sbd.empty() && Exists(above / name / "cls")) folders.sbd = above / name;
    }
  }
  return folders;
}

// The label map of an image that has none in its list. Where there is none at all: the place it is most likely to be missed from.
std::string LabelOf(const Folders& folders, const std::string& id) {
  const fs::path plain = folders.voc / "SegmentationClass" / (id + ".png"),
                 augmented = folders.voc / "SegmentationClassAug" / (id + ".png"),
                 sbd = folders.sbd / "cls" / (id + ".mat");
  if (Exists(plain)) return plain.string();
  if (Exists(augmented)) return augmented.string();
  if (!folders.sbd.empty() && Exists(sbd)) return sbd.string();
  return (Exists(augmented.parent_path()) ? augmented : plain).string();
}

fs::path ListOf(const Folders& folders, const std::string& split) {
  return folders.voc / "ImageSets" / "Segmentation" / (split + ".txt");
}

absl::StatusOr<std::vector<SampleFiles>> ListedFiles(const Folders& folders, const fs::path& list, bool labelled) {
  const auto entries = ReadList(list.string(), 1, 2);
  if (!entries.ok()) return entries.status();
  const auto below = [&folders](absl::string_view path) {
    absl::ConsumePrefix(&path, "/");
    return folders.voc / std::string(path);
  };
  std::vector<SampleFiles> files;
  for (const std::vector<std::string>& entry : *entries) {
    SampleFiles sample;
    const bool is_path = entry[0].find('/') != std::string::npos;
    sample.id = is_path ? fs::path(entry[0]).stem().string() : entry[0];
    sample.image = (is_path ? below(entry[0]) : folders.voc / "JPEGImages" / (sample.id + ".jpg")).string();
    if (labelled) {
      const bool as_listed = entry.size() == 2 && Exists(below(entry[1]));
      sample.label = as_listed ? below(entry[1]).string() : LabelOf(folders, sample.id);
    }
    files.push_back(std::move(sample));
  }
  return files;
}

// VOC's train and SBD's images without VOC's val.
absl::StatusOr<std::vector<SampleFiles>> CombinedFiles(const Folders& folders) {
  if (folders.sbd.empty()) {
    return absl::NotFoundError(absl::StrCat("split trainaug: there is neither a list '",
                                            ListOf(folders, "trainaug").string(),
                                            "' nor SBD's dataset/cls to put it together from"));
  }
  std::set<std::string> ids;
  for (const fs::path& list : {ListOf(folders, "train"), folders.sbd / "train.txt", folders.sbd / "val.txt"}) {
    std::error_code ignored;
    if (fs::is_empty(list, ignored)) continue;  // one missing file is an error of ReadList
    const auto entries = ReadList(list.string(), 1, 1);
    if (!entries.ok()) return entries.status();
    for (const std::vector<std::string>& entry : *entries) ids.insert(entry[0]);
  }
  const auto validation = ReadList(ListOf(folders, "val").string(), 1, 1);
  if (!validation.ok()) return validation.status();
  for (const std::vector<std::string>& entry : *validation) ids.erase(entry[0]);
  std::vector<SampleFiles> files;
  for (const std::string& id : ids)
    files.push_back({id, (folders.voc / "JPEGImages" / (id + ".jpg")).string(), LabelOf(folders, id)});
  return files;
}

absl::StatusOr<std::vector<SampleFiles>> AugmentedFiles(const Folders& folders) {
  for (const fs::path& folder :
       {folders.voc / "ImageSets" / "Segmentation", folders.voc / "list", folders.voc / "splits", folders.voc}) {
    for (const char* name : {"trainaug.txt", "train_aug.txt"}) {
      if (Exists(folder / name)) return ListedFiles(folders, folder / name, true);
    }
  }
  return CombinedFiles(folders);
}

}  // namespace

Color VocColor(int index) {
  Color color;
  for (int bit = 0; bit < 8; ++bit) {
    const int at = 7 - bit / 3;
    uint8_t& channel = bit % 3 == 0 ? color.red : bit % 3 == 1 ? color.green : color.blue;
    channel = static_cast<uint8_t>(channel | (index >> bit & 1) << at);
  }
  return color;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenVoc2012(const std::string& data_root, const std::string& split,
                                                     const Voc2012Options& options, IncompleteSamples incomplete) {
  if (absl::Status status = CheckDataRoot(data_root, "VOC 2012"); !status.ok()) return status;
  const absl::StatusOr<Folders> folders = FindFolders(data_root);
  if (!folders.ok()) return folders.status();
  DatasetInfo info = VocInfo(split, options);
  info.labelled = split != "test";
  absl::StatusOr<std::vector<SampleFiles>> files = split == "trainaug" || (split == "train" && options.augmented)
                                                       ? AugmentedFiles(*folders)
                                                       : ListedFiles(*folders, ListOf(*folders, split), info.labelled);
  if (!files.ok()) return files.status();
  LabelEncoding encoding = EncodingOf(info, {kVoidLabel});
  return FileDataset::Create({std::move(info), std::move(encoding), *std::move(files), "GTcls.Segmentation"},
                             incomplete);
}

}  // namespace data
