#include "data/datasets/file_dataset.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/mat.h"
#include "data/formats/read_image.h"

namespace data {
namespace {

namespace fs = std::filesystem;

// Adds the keys of the group's files. `depth`: levels of sub-folders to look into.
absl::Status AddKeys(const FileGroup& group, const std::string& prefix, int depth, std::set<std::string>& keys) {
  const fs::path folder = fs::path(group.folder) / prefix;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error)) {
      if (depth == 0) continue;
      absl::Status status = AddKeys(group, absl::StrCat(prefix, name, "/"), depth - 1, keys);
      if (!status.ok()) return status;
    } else if (absl::EndsWith(name, group.suffix)) {
      keys.insert(absl::StrCat(prefix, name.substr(0, name.size() - group.suffix.size())));
    }
  }
  if (error) return absl::NotFoundError(absl::StrCat("cannot list '", folder.string(), "': ", error.message()));
  return absl::OkStatus();
}

}  // namespace

LabelEncoding EncodingOf(const DatasetInfo& info, const std::vector<uint8_t>& void_values) {
  LabelEncoding encoding(256, kInvalidValue);
  for (size_t id = 0; id < info.stored_values.size(); ++id) {
    encoding[info.stored_values[id]] = static_cast<int16_t>(id);
  }
  for (const uint8_t value : void_values) encoding[value] = info.void_label;
  return encoding;
}

FileDataset::FileDataset(FileDatasetContents contents, std::vector<MissingFile> missing)
    : contents_(std::move(contents)), missing_(std::move(missing)) {}

absl::StatusOr<std::unique_ptr<Dataset>> FileDataset::Create(FileDatasetContents contents,
                                                             IncompleteSamples incomplete) {
  std::vector<MissingFile> missing;
  std::vector<SampleFiles> complete;
  for (SampleFiles& sample : contents.files) {
    const size_t missing_before = missing.size();
    for (const std::string* path : {&sample.image, &sample.label}) {
      std::error_code ignored;
      if (path->empty() || fs::exists(*path, ignored)) continue;
      missing.push_back({sample.id, path == &sample.image ? "image" : "label map", *path});
    }
    if (missing.size() == missing_before) complete.push_back(std::move(sample));
  }
  if (!missing.empty() && incomplete == IncompleteSamples::kRefuse) {
    const MissingFile& first = missing[0];
    const std::string others = missing.size() == 1 ? "" : absl::StrCat("; ", missing.size() - 1, " more are missing");
    return absl::NotFoundError(absl::StrCat(first.kind, " '", first.path, "' of sample ", first.id, " does not exist (",
                                            contents.info.name, ", split ", contents.info.split, others, ")"));
  }
  contents.files = std::move(complete);
  return std::unique_ptr<Dataset>(new FileDataset(std::move(contents), std::move(missing)));
}

template <typename Map>
absl::Status FileDataset::Encode(const std::string& path, const Map& stored, LabelMap& label) const {
  const LabelEncoding& encoding = contents_.encoding;
  for (size_t i = 0; i < stored.values.size(); ++i) {
    const size_t value = stored.values[i];
    const int16_t train_id = value < encoding.size() ? encoding[value] : kInvalidValue;
    if (train_id == kInvalidValue) {
      return absl::InvalidArgumentError(absl::StrCat("'", path, "': label value ", value, " at row ", i / stored.width,
                                                     ", column ", i % stored.width, " does not occur in ",
                                                     info().name));
    }
    label.values[i] = static_cast<uint8_t>(train_id);
  }
  return absl::OkStatus();
}

absl::StatusOr<LabelMap> FileDataset::LoadLabel(const std::string& path) const {
  if (absl::EndsWith(path, ".mat")) {
    const absl::StatusOr<IndexMap> stored = ReadMatIndexMap(path, contents_.mat_variable);
    if (!stored.ok()) return stored.status();
    LabelMap label(stored->height, stored->width);
    if (absl::Status status = Encode(path, *stored, label); !status.ok()) return status;
    return label;
  }
  absl::StatusOr<LabelMap> label = ReadLabelMap(path);
  if (!label.ok()) return label;
  if (absl::Status status = Encode(path, *label, *label); !status.ok()) return status;
  return label;
}

absl::StatusOr<Sample> FileDataset::Load(int64_t index) const {
  if (index < 0 || index >= size()) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of ", info().name, ", which has ", size()));
  }
  const SampleFiles& files = contents_.files[index];
  absl::StatusOr<Image> image = ReadImage(files.image);
  if (!image.ok()) return image.status();
  if (files.label.empty()) {
    LabelMap nothing(image->height, image->width, info().void_label);
    return Sample{*std::move(image), std::move(nothing), files.id, index};
  }
  absl::StatusOr<LabelMap> label = LoadLabel(files.label);
  if (!label.ok()) return label.status();
  if (label->height != image->height || label->width != image->width) {
    return absl::InvalidArgumentError(absl::StrCat("'", files.label, "': the label map is ", label->width, " x ",
                                                   label->height, " but its image '", files.image, "' is ",
                                                   image->width, " x ", image->height));
  }
  return Sample{*std::move(image), *std::move(label), files.id, index};
}

absl::StatusOr<std::vector<std::vector<std::string>>> ReadList(const std::string& path, int fewest, int most) {
  absl::StatusOr<std::string> text = autograd::ReadFile(path);
  if (!text.ok())
    return absl::Status(text.status().code(), absl::StrCat("list of the split: ", text.status().message()));
  std::vector<std::vector<std::string>> entries;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++line_number;
    std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    const int count = static_cast<int>(words.size());
    if (count < fewest || count > most) {
      const std::string expected = fewest == most ? absl::StrCat(fewest) : absl::StrCat(fewest, " to ", most);
      return absl::InvalidArgumentError(absl::StrCat("'", path, "', line ", line_number, ": expected ", expected,
                                                     most == 1 ? " field" : " fields", ", found ", words.size(), ": '",
                                                     absl::StripAsciiWhitespace(line), "'"));
    }
    entries.push_back(std::move(words));
  }
  if (entries.empty()) return absl::InvalidArgumentError(absl::StrCat("'", path, "' lists no sample"));
  return entries;
}

absl::Status CheckDataRoot(const std::string& folder, const std::string& dataset) {
  if (folder.empty()) return absl::InvalidArgumentError(absl::StrCat(dataset, " needs a data root"));
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("data root '", folder, "' of ", dataset, " is not a folder"));
}

absl::StatusOr<std::vector<SampleFiles>> PairFiles(const FileGroup& images, const FileGroup& labels) {
  constexpr int kDepth = 1;
  std::set<std::string> keys;
  if (absl::Status status = AddKeys(images, "", kDepth, keys); !status.ok()) return status;
  if (keys.empty()) return absl::NotFoundError(absl::StrCat("'", images.folder, "' holds no image *", images.suffix));
  if (!labels.folder.empty()) {
    if (absl::Status status = AddKeys(labels, "", kDepth, keys); !status.ok()) return status;
  }
  std::vector<SampleFiles> files;
  for (const std::string& key : keys) {
    const auto path = [&key](const FileGroup& group) { return absl::StrCat(group.folder, "/", key, group.suffix); };
    files.push_back({fs::path(key).filename().string(), path(images), labels.folder.empty() ? "" : path(labels)});
  }
  return files;
}

}  // namespace data
