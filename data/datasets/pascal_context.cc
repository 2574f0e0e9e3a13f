#include "data/datasets/pascal_context.h"

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "autograd/runtime/atomic_file.h"
#include "data/datasets/file_dataset.h"
#include "data/datasets/split_list.h"
#include "data/formats/image_files.h"

namespace data {
namespace {

namespace fs = std::filesystem;

struct ContextClass {
  const char* name;
  int original_id;        // in labels.txt, the 459 labels of the release
  int original_position;  // in 59_labels.txt, from 1
  Color color;
};

// Position = value in the PNG file. The set has no palette of its own; as in mmsegmentation these are the
// first 60 colours of ADE20K's.
constexpr ContextClass kClasses[] = {
    {"background", 0, 0, {120, 120, 120}},
    {"aeroplane", 2, 1, {180, 120, 120}},
    {"bag", 9, 21, {6, 230, 230}},
    {"bed", 18, 22, {80, 50, 50}},
    {"bedclothes", 19, 52, {4, 200, 3}},
    {"bench", 22, 23, {120, 120, 80}},
    {"bicycle", 23, 2, {140, 140, 140}},
    {"bird", 25, 3, {204, 5, 255}},
    {"boat", 31, 4, {230, 230, 230}},
    {"book", 33, 24, {4, 250, 7}},
    {"bottle", 34, 5, {224, 5, 255}},
    {"building", 44, 25, {235, 255, 7}},
    {"bus", 45, 6, {150, 5, 61}},
    {"cabinet", 46, 26, {120, 120, 70}},
    {"car", 59, 7, {8, 255, 51}},
    {"cat", 65, 8, {255, 6, 82}},
    {"ceiling", 68, 27, {143, 255, 140}},
    {"chair", 72, 9, {204, 255, 4}},
    {"cloth", 80, 28, {255, 51, 7}},
    {"computer", 85, 29, {204, 70, 3}},
    {"cow", 98, 10, {0, 102, 200}},
    {"cup", 104, 30, {61, 230, 250}},
    {"curtain", 105, 42, {255, 6, 51}},
    {"dog", 113, 12, {11, 102, 255}},
    {"door", 115, 31, {255, 7, 71}},
    {"fence", 144, 32, {255, 9, 224}},
    {"floor", 158, 33, {9, 7, 230}},
    {"flower", 159, 34, {220, 220, 220}},
    {"food", 162, 35, {255, 9, 92}},
    {"grass", 187, 36, {112, 9, 255}},
    {"ground", 189, 37, {8, 255, 214}},
    {"horse", 207, 13, {7, 255, 224}},
    {"keyboard", 220, 38, {255, 184, 6}},
    {"light", 232, 39, {10, 255, 71}},
    {"motorbike", 258, 14, {255, 41, 10}},
    {"mountain", 259, 40, {7, 255, 255}},
    {"mouse", 260, 41, {224, 255, 8}},
    {"person", 284, 15, {102, 8, 255}},
    {"plate", 295, 45, {255, 61, 6}},
    {"platform", 296, 43, {255, 194, 7}},
    {"pottedplant", 308, 16, {255, 122, 8}},
    {"road", 324, 46, {0, 255, 20}},
    {"rock", 326, 47, {255, 8, 41}},
    {"sheep", 347, 17, {255, 5, 153}},
    {"shelves", 349, 48, {6, 51, 255}},
    {"sidewalk", 354, 49, {235, 12, 255}},
    {"sign", 355, 44, {160, 150, 20}},
    {"sky", 360, 50, {0, 163, 255}},
    {"snow", 366, 51, {140, 140, 140}},
    {"sofa", 368, 18, {250, 10, 15}},
    {"table", 397, 11, {20, 255, 0}},
    {"track", 415, 53, {31, 255, 0}},
    {"train", 416, 19, {255, 31, 0}},
    {"tree", 420, 54, {255, 224, 0}},
    {"truck", 424, 55, {153, 255, 0}},
    {"tvmonitor", 427, 20, {0, 0, 255}},
    {"wall", 440, 56, {255, 71, 0}},
    {"water", 445, 57, {0, 235, 255}},
    {"window", 454, 58, {0, 173, 255}},
    {"wood", 458, 59, {31, 0, 255}},
};
static_assert(std::size(kClasses) == 60);

constexpr int kOriginalLabels = 459;

DatasetInfo ContextInfo(const std::string& split, const PascalContextOptions& options) {
  DatasetInfo info;
  info.name = options.background_class ? "pascal_context_60" : "pascal_context";
  info.split = split;
  const int first = options.background_class ? 0 : 1;
  info.class_names.resize(std::size(kClasses) - first);
  info.palette.resize(info.class_names.size());
  info.stored_values.resize(info.class_names.size());
  for (int value = first; value < static_cast<int>(std::size(kClasses)); ++value) {
    const bool alphabetical = options.order == PascalContextOrder::kAlphabetical;
    const int train_id = (alphabetical ? value : kClasses[value].original_position) - first;
    info.class_names[train_id] = kClasses[value].name;
    info.palette[train_id] = kClasses[value].color;
    info.stored_values[train_id] = static_cast<uint8_t>(value);
  }
  return info;
}

struct Layout {
  fs::path images, labels, lists;
  std::string extension = ".png";  // of the labels
};

absl::StatusOr<Layout> FindLayout(const std::string& data_root, const std::string& split) {
  const fs::path root = data_root;
  const std::vector<fs::path> bases = {root / "VOCdevkit" / "VOC2010", root / "VOC2010", root};
  for (const fs::path& voc : bases) {
    if (Exists(voc / "SegmentationClassContext"))
      return Layout{voc / "JPEGImages", voc / "SegmentationClassContext", voc / "ImageSets" / "SegmentationContext"};
  }
  if (Exists(root / "labels")) return Layout{root / "images", root / "labels", root};
  for (const fs::path& voc : bases) {
    if (!Exists(voc / "JPEGImages")) continue;
    for (const fs::path& labels : {root / "trainval", voc / "trainval"}) {
      if (!Exists(labels)) continue;
      const std::string list = split + ".txt";
      // The release's own split is VOC's.
      fs::path lists = voc / "ImageSets" / "Main";
      if (Exists(root / list)) lists = root;
      if (Exists(voc / "ImageSets" / "SegmentationContext" / list)) lists = voc / "ImageSets" / "SegmentationContext";
      return Layout{voc / "JPEGImages", labels, lists, ".mat"};
    }
  }
  return absl::NotFoundError(absl::StrCat("data root '", data_root,
                                          "' holds neither VOC2010/SegmentationClassContext nor labels nor trainval, "
                                          "where the label maps of Pascal Context should be"));
}

// The release's list of labels, where a copy has it, must be the one whose ids are built in here.
absl::Status CheckOriginalIds(const fs::path& list) {
  if (!Exists(list)) return absl::OkStatus();
  const absl::StatusOr<std::string> text = autograd::ReadFile(list.string());
  if (!text.ok()) return text.status();
  std::vector<std::string> names(kOriginalLabels + 1);
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> entry = absl::StrSplit(line, absl::MaxSplits(':', 1));
    int id = 0;
    if (absl::SimpleAtoi(entry.first, &id) && id > 0 && id <= kOriginalLabels)
      names[id] = std::string(absl::StripAsciiWhitespace(entry.second));
  }
  for (const ContextClass& entry : kClasses) {
    if (entry.original_id == 0 || names[entry.original_id] == entry.name) continue;
    return absl::InvalidArgumentError(absl::StrCat("'", list.string(), "': label ", entry.original_id, " is '",
                                                   names[entry.original_id], "', not '", entry.name,
                                                   "' as in the release of Pascal Context"));
  }
  return absl::OkStatus();
}

// The 459 labels: 59 of them are classes, the others and 0 are `background`.
LabelEncoding OriginalEncoding(const DatasetInfo& info, int16_t background) {
  LabelEncoding encoding(kOriginalLabels + 1, background);
  for (int train_id = 0; train_id < info.num_classes(); ++train_id)
    encoding[kClasses[info.stored_values[train_id]].original_id] = static_cast<int16_t>(train_id);
  return encoding;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenPascalContext(const std::string& data_root, const std::string& split,
                                                           const PascalContextOptions& options,
                                                           const FileOptions& files) {
  if (absl::Status status = CheckDataRoot(data_root, "Pascal Context"); !status.ok()) return status;
  const absl::StatusOr<Layout> layout = FindLayout(data_root, split);
  if (!layout.ok()) return layout.status();
  FileDatasetContents contents;
  contents.mat_variable = "LabelMap";
  contents.info = ContextInfo(split, options);
  FileFinder finder;
  const auto image_of = [&layout](const std::string& id) { return (layout->images / (id + ".jpg")).string(); };
  const absl::StatusOr<std::vector<std::string>> ids =
      ReadIds((layout->lists / (split + ".txt")).string(),
              [&](const std::string& id) { return finder.Find(image_of(id), FileKind::kImage).has_value(); });
  if (!ids.ok()) return ids.status();
  for (const std::string& id : *ids) {
    contents.files.push_back(
        {id, finder.FindOrKeep(image_of(id), FileKind::kImage),
         finder.FindOrKeep((layout->labels / (id + layout->extension)).string(), FileKind::kExact)});
  }
  DropRepeated(split + ".txt", contents);
  const DatasetInfo& info = contents.info;
  const std::vector<uint8_t> void_values = options.background_class ? std::vector<uint8_t>{} : std::vector<uint8_t>{0};
  contents.encoding = EncodingOf(info, void_values);
  if (layout->extension == ".mat") {
    absl::Status status = CheckOriginalIds(layout->labels.parent_path() / "labels.txt");
    if (!status.ok()) return status;
    contents.encoding = OriginalEncoding(info, options.background_class ? 0 : int16_t{info.void_label});
  }
  return FileDataset::Create(std::move(contents), files);
}

}  // namespace data
