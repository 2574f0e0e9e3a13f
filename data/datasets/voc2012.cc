#include "data/datasets/voc2012.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "data/datasets/file_dataset.h"
#include "data/datasets/split_list.h"
#include "data/formats/image_files.h"

namespace data {
namespace {

namespace fs = std::filesystem;

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

// The folder that VOC2012 lies in; where VOC's folder has another name, itself.
fs::path Beside(const fs::path& voc) {
  std::error_code error;
  fs::path whole = fs::absolute(voc, error).lexically_normal();
  if (error) return voc;
  if (!whole.has_filename()) whole = whole.parent_path();  // a slash at its end
  return whole.filename() == "VOC2012" ? whole.parent_path() : voc;
}

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
  for (const fs::path& above : {root, folders.voc, Beside(folders.voc)}) {
    for (const char* name : {"VOCaug/dataset", "benchmark_RELEASE/dataset", "SBD/dataset", "sbd/dataset", "dataset",
                             "VOCaug", "SBD", "sbd"}) {
      if (folders.sbd.empty() && Exists(above / name / "cls")) folders.sbd = above / name;
    }
  }
  return folders;
}

fs::path ListOf(const Folders& folders, const std::string& split) {
  return folders.voc / "ImageSets" / "Segmentation" / (split + ".txt");
}

// Finds the files that lists mean.
class Files {
 public:
  explicit Files(const Folders& folders) : folders_(folders) {}

  bool HasImage(const std::string& id) { return finder_.Find(PathOf(id), FileKind::kImage).has_value(); }

  std::string ImageOf(const std::string& id) { return finder_.FindOrKeep(PathOf(id), FileKind::kImage); }

  // The label map of an image that has none in its list. Where there is none at all: the place it is most likely to be
  // missed from.
  std::string LabelOf(const std::string& id) {
    const fs::path plain = folders_.voc / "SegmentationClass" / (id + ".png"),
                   augmented = folders_.voc / "SegmentationClassAug" / (id + ".png"),
                   sbd = folders_.sbd / "cls" / (id + ".mat");
    for (const fs::path& place : {plain, augmented}) {
      if (const auto found = finder_.Find(place.string(), FileKind::kExact)) return *found;
    }
    if (!folders_.sbd.empty()) {
      if (const auto found = finder_.Find(sbd.string(), FileKind::kExact)) return *found;
    }
    return (Exists(augmented.parent_path()) ? augmented : plain).string();
  }

  std::string Listed(absl::string_view path, FileKind kind) {
    absl::ConsumePrefix(&path, "/");
    return finder_.FindOrKeep((folders_.voc / std::string(path)).string(), kind);
  }

 private:
  std::string PathOf(const std::string& id) const { return (folders_.voc / "JPEGImages" / (id + ".jpg")).string(); }

  const Folders& folders_;
  FileFinder finder_;
};

absl::Status AddListed(const Folders& folders, const fs::path& list, FileDatasetContents& contents) {
  const absl::StatusOr<std::vector<ListLine>> lines = ReadList(list.string());
  if (!lines.ok()) return lines.status();
  Files files(folders);
  const bool labelled = contents.info.labelled;
  const auto is_path = [](const std::string& field) { return field.find('/') != std::string::npos; };
  for (const ListLine& line : *lines) {
    const std::vector<std::string>& fields = line.fields;
    const bool one_id = fields.size() > 1 && line.cut_at_blanks && files.HasImage(line.text);
    const bool marked = !one_id && fields.size() == 2 && !is_path(fields[0]) && IsClassMark(fields[1]);
    const bool names_label = fields.size() == 2 && !one_id && !marked;
    if (!one_id && !marked && fields.size() > 1 && !(names_label && is_path(fields[1])))
      return WrongFields(list.string(), line, "an id whose image exists, or the paths of an image and its label map");
    SampleFiles sample;
    const std::string& image = one_id ? line.text : fields[0];
    sample.id = is_path(image) ? fs::path(image).stem().string() : image;
    sample.image = is_path(image) ? files.Listed(image, FileKind::kImage) : files.ImageOf(image);
    if (labelled) sample.label = names_label ? files.Listed(fields[1], FileKind::kExact) : files.LabelOf(sample.id);
    contents.files.push_back(std::move(sample));
  }
  DropRepeated(list.filename().string(), contents);
  return absl::OkStatus();
}

// VOC's train and SBD's images without VOC's val.
absl::Status AddCombined(const Folders& folders, FileDatasetContents& contents) {
  if (folders.sbd.empty()) {
    return absl::NotFoundError(absl::StrCat("split trainaug: there is neither a list '",
                                            ListOf(folders, "trainaug").string(),
                                            "' nor SBD's dataset/cls to put it together from"));
  }
  Files files(folders);
  const auto has_image = [&files](const std::string& id) { return files.HasImage(id); };
  std::set<std::string> ids;
  for (const fs::path& list : {ListOf(folders, "train"), folders.sbd / "train.txt", folders.sbd / "val.txt"}) {
    std::error_code ignored;
    if (fs::is_empty(list, ignored)) continue;  // one missing file is an error of ReadIds
    const absl::StatusOr<std::vector<std::string>> listed = ReadIds(list.string(), has_image);
    if (!listed.ok()) return listed.status();
    ids.insert(listed->begin(), listed->end());
  }
  const absl::StatusOr<std::vector<std::string>> validation = ReadIds(ListOf(folders, "val").string(), has_image);
  if (!validation.ok()) return validation.status();
  for (const std::string& id : *validation) ids.erase(id);
  for (const std::string& id : ids) contents.files.push_back({id, files.ImageOf(id), files.LabelOf(id)});
  return absl::OkStatus();
}

absl::Status AddAugmented(const Folders& folders, FileDatasetContents& contents) {
  for (const fs::path& folder :
       {folders.voc / "ImageSets" / "Segmentation", folders.voc / "list", folders.voc / "splits", folders.voc}) {
    for (const char* name : {"trainaug.txt", "train_aug.txt"}) {
      if (Exists(folder / name)) return AddListed(folders, folder / name, contents);
    }
  }
  return AddCombined(folders, contents);
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
                                                     const Voc2012Options& options, const FileOptions& files) {
  if (absl::Status status = CheckDataRoot(data_root, "VOC 2012"); !status.ok()) return status;
  const absl::StatusOr<Folders> folders = FindFolders(data_root);
  if (!folders.ok()) return folders.status();
  FileDatasetContents contents;
  contents.info = VocInfo(split, options);
  contents.info.labelled = split != "test";
  contents.encoding = EncodingOf(contents.info, {kVoidLabel});
  contents.mat_variable = "GTcls.Segmentation";
  const bool augmented = split == "trainaug" || (split == "train" && options.augmented);
  absl::Status status =
      augmented ? AddAugmented(*folders, contents) : AddListed(*folders, ListOf(*folders, split), contents);
  if (!status.ok()) return status;
  return FileDataset::Create(std::move(contents), files);
}

}  // namespace data
