#include "data/datasets/pascal_context.h"

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/datasets/file_dataset.h"

namespace data {
namespace {

namespace fs = std::filesystem;

struct ContextClass {
  const char* name;
  int original_position;  // in 59_labels.txt, from 1
  Color color;
};

// Position = value in the PNG file. The set has no palette of its own; as in mmsegmentation these are the
// first 60 colours of ADE20K's.
constexpr ContextClass kClasses[] = {
    {"background", 0, {120, 120, 120}}, {"aeroplane", 1, {180, 120, 120}},  {"bag", 21, {6, 230, 230}},
    {"bed", 22, {80, 50, 50}},          {"bedclothes", 52, {4, 200, 3}},    {"bench", 23, {120, 120, 80}},
    {"bicycle", 2, {140, 140, 140}},    {"bird", 3, {204, 5, 255}},         {"boat", 4, {230, 230, 230}},
    {"book", 24, {4, 250, 7}},          {"bottle", 5, {224, 5, 255}},       {"building", 25, {235, 255, 7}},
    {"bus", 6, {150, 5, 61}},           {"cabinet", 26, {120, 120, 70}},    {"car", 7, {8, 255, 51}},
    {"cat", 8, {255, 6, 82}},           {"ceiling", 27, {143, 255, 140}},   {"chair", 9, {204, 255, 4}},
    {"cloth", 28, {255, 51, 7}},        {"computer", 29, {204, 70, 3}},     {"cow", 10, {0, 102, 200}},
    {"cup", 30, {61, 230, 250}},        {"curtain", 42, {255, 6, 51}},      {"dog", 12, {11, 102, 255}},
    {"door", 31, {255, 7, 71}},         {"fence", 32, {255, 9, 224}},       {"floor", 33, {9, 7, 230}},
    {"flower", 34, {220, 220, 220}},    {"food", 35, {255, 9, 92}},         {"grass", 36, {112, 9, 255}},
    {"ground", 37, {8, 255, 214}},      {"horse", 13, {7, 255, 224}},       {"keyboard", 38, {255, 184, 6}},
    {"light", 39, {10, 255, 71}},       {"motorbike", 14, {255, 41, 10}},   {"mountain", 40, {7, 255, 255}},
    {"mouse", 41, {224, 255, 8}},       {"person", 15, {102, 8, 255}},      {"plate", 45, {255, 61, 6}},
    {"platform", 43, {255, 194, 7}},    {"pottedplant", 16, {255, 122, 8}}, {"road", 46, {0, 255, 20}},
    {"rock", 47, {255, 8, 41}},         {"sheep", 17, {255, 5, 153}},       {"shelves", 48, {6, 51, 255}},
    {"sidewalk", 49, {235, 12, 255}},   {"sign", 44, {160, 150, 20}},       {"sky", 50, {0, 163, 255}},
    {"snow", 51, {140, 140, 140}},      {"sofa", 18, {250, 10, 15}},        {"table", 11, {20, 255, 0}},
    {"track", 53, {31, 255, 0}},        {"train", 19, {255, 31, 0}},        {"tree", 54, {255, 224, 0}},
    {"truck", 55, {153, 255, 0}},       {"tvmonitor", 20, {0, 0, 255}},     {"wall", 56, {255, 71, 0}},
    {"water", 57, {0, 235, 255}},       {"window", 58, {0, 173, 255}},      {"wood", 59, {31, 0, 255}},
};
static_assert(std::size(kClasses) == 60);

DatasetInfo ContextInfo(const std::string& split, const PascalContextOptions& options) {
  DatasetInfo info;
  info.name = options.background_class ? "pascal_context_60" : "pascal_context_59";
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
};

absl::StatusOr<Layout> FindLayout(const std::string& data_root) {
  const fs::path root = data_root;
  std::error_code ignored;
  for (const fs::path& voc : {root / "VOCdevkit" / "VOC2010", root / "VOC2010", root}) {
    if (fs::is_directory(voc / "SegmentationClassContext", ignored)) {
      return Layout{voc / "JPEGImages", voc / "SegmentationClassContext", voc / "ImageSets" / "SegmentationContext"};
    }
  }
  if (fs::is_directory(root / "labels", ignored)) return Layout{root / "images", root / "labels", root};
  return absl::NotFoundError(absl::StrCat("data root '", data_root,
                                          "' holds neither VOC2010/SegmentationClassContext nor labels, where the "
                                          "label maps of Pascal Context should be"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenPascalContext(const std::string& data_root, const std::string& split,
                                                           const PascalContextOptions& options) {
  if (absl::Status status = CheckDataRoot(data_root, "Pascal Context"); !status.ok()) return status;
  const absl::StatusOr<Layout> layout = FindLayout(data_root);
  if (!layout.ok()) return layout.status();
  const auto entries = ReadList((layout->lists / (split + ".txt")).string(), 1);
  if (!entries.ok()) return entries.status();
  std::vector<SampleFiles> files;
  for (const std::vector<std::string>& entry : *entries) {
    const std::string& id = entry[0];
    files.push_back({id, (layout->images / (id + ".jpg")).string(), (layout->labels / (id + ".png")).string()});
  }
  DatasetInfo info = ContextInfo(split, options);
  const LabelEncoding encoding =
      EncodingOf(info, options.background_class ? std::vector<uint8_t>{} : std::vector<uint8_t>{0});
  return FileDataset::Create(std::move(info), encoding, std::move(files));
}

}  // namespace data
