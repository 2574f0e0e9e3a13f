#include "data/datasets/file_dataset.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "autograd/runtime/parallel.h"
#include "data/formats/image_files.h"
#include "data/formats/image_header.h"
#include "data/formats/mat.h"
#include "data/formats/read_image.h"

namespace data {
namespace {

namespace fs = std::filesystem;

// The files of a group by their keys, and those that are none of it.
struct GroupFiles {
  std::map<std::string, std::string> names;  // relative to the group's folder
  std::vector<std::string> left_out;
};

// Where two files have one key, the one with the suffix as it is wins, then the earlier extension, then the earlier
// name.
absl::Status CollectFiles(const FileGroup& group, FileKind kind, const std::string& prefix, int depth,
                          GroupFiles& found) {
  const absl::StatusOr<FolderContents> contents = ListFolder((fs::path(group.folder) / prefix).string());
  if (!contents.ok()) return contents.status();
  const size_t dot = group.suffix.rfind('.');
  const std::string stem_end = group.suffix.substr(0, dot);
  const std::vector<std::string> extensions = ExtensionsFor(group.suffix.substr(dot), kind);
  std::set<std::string> taken;
  const auto take = [&](const std::string& name, const std::string& stem) {
    const std::string key = absl::StrCat(prefix, stem.substr(0, stem.size() - stem_end.size()));
    if (found.names.emplace(key, absl::StrCat(prefix, name)).second) taken.insert(name);
  };
  for (const std::string& name : contents->files) {
    if (absl::EndsWith(name, group.suffix)) take(name, name.substr(0, name.size() - group.suffix.size() + dot));
  }
  for (const std::string& extension : extensions) {
    for (const std::string& name : contents->files) {
      const auto [stem, lower] = SplitExtension(name);
      if (lower == extension && absl::EndsWith(stem, stem_end) && taken.count(name) == 0) take(name, stem);
    }
  }
  for (const std::string& name : contents->files) {
    if (taken.count(name) == 0) found.left_out.push_back(absl::StrCat(prefix, name));
  }
  if (depth == 0) return absl::OkStatus();
  for (const std::string& folder : contents->folders) {
    absl::Status status = CollectFiles(group, kind, absl::StrCat(prefix, folder, "/"), depth - 1, found);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// "a.bmp, b.gif and 3 more".
std::string FirstNames(const std::vector<std::string>& names) {
  constexpr size_t kNamed = 3;
  const size_t named = std::min(names.size(), kNamed);
  const std::string text = absl::StrJoin(names.begin(), names.begin() + static_cast<int64_t>(named), ", ");
  return names.size() == named ? text : absl::StrCat(text, " and ", names.size() - named, " more");
}

bool IsMat(const std::string& path) { return SplitExtension(path).second == ".mat"; }

absl::Status OtherSize(const SampleFiles& files, int height, int width, int image_height, int image_width,
                       int orientation) {
  const std::string turned = orientation == 1 ? "" : absl::StrCat("; the image has the EXIF orientation ", orientation);
  return absl::InvalidArgumentError(absl::StrCat("'", files.label, "': the label map is ", width, " x ", height,
                                                 " but its image '", files.image, "' is ", image_width, " x ",
                                                 image_height, turned));
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

FileDataset::FileDataset(FileDatasetContents contents, ReadOptions reading, std::vector<MissingFile> missing)
    : contents_(std::move(contents)), reading_(reading), missing_(std::move(missing)) {}

absl::StatusOr<std::unique_ptr<Dataset>> FileDataset::Create(FileDatasetContents contents, const FileOptions& options) {
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
  if (!missing.empty() && options.incomplete == IncompleteSamples::kRefuse) {
    const MissingFile& first = missing[0];
    const std::string others = missing.size() == 1 ? "" : absl::StrCat("; ", missing.size() - 1, " more are missing");
    return absl::NotFoundError(absl::StrCat(first.kind, " '", first.path, "' of sample ", first.id, " does not exist (",
                                            contents.info.name, ", split ", contents.info.split, others, ")"));
  }
  contents.files = std::move(complete);
  return std::unique_ptr<Dataset>(new FileDataset(std::move(contents), options.reading, std::move(missing)));
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
  if (IsMat(path)) {
    const absl::StatusOr<IndexMap> stored = ReadMatIndexMap(path, contents_.mat_variable);
    if (!stored.ok()) return stored.status();
    LabelMap label(stored->height, stored->width);
    if (absl::Status status = Encode(path, *stored, label); !status.ok()) return status;
    return label;
  }
  absl::StatusOr<LabelMap> label = ReadLabelMap(path, reading_);
  if (!label.ok()) return label;
  if (absl::Status status = Encode(path, *label, *label); !status.ok()) return status;
  return label;
}

absl::StatusOr<Sample> FileDataset::Load(int64_t index) const {
  if (index < 0 || index >= size()) {
    return absl::OutOfRangeError(absl::StrCat("sample ", index, " of ", info().name, ", which has ", size()));
  }
  const SampleFiles& files = contents_.files[index];
  absl::StatusOr<Image> image = ReadImage(files.image, reading_);
  if (!image.ok()) return image.status();
  if (files.label.empty()) {
    LabelMap nothing(image->height, image->width, info().void_label);
    return Sample{*std::move(image), std::move(nothing), files.id, index};
  }
  absl::StatusOr<LabelMap> label = LoadLabel(files.label);
  if (!label.ok()) return label.status();
  if (label->height != image->height || label->width != image->width) {
    return OtherSize(files, label->height, label->width, image->height, image->width, image->orientation);
  }
  return Sample{*std::move(image), *std::move(label), files.id, index};
}

absl::Status FileDataset::CheckFilesOf(const SampleFiles& files) const {
  const absl::StatusOr<ImageHeader> image = ReadImageHeader(files.image);
  if (!image.ok()) return image.status();
  if (files.label.empty()) return absl::OkStatus();
  int height, width;
  if (IsMat(files.label)) {
    // Small, and the size is inside its compressed part.
    const absl::StatusOr<IndexMap> label = ReadMatIndexMap(files.label, contents_.mat_variable);
    if (!label.ok()) return label.status();
    height = label->height;
    width = label->width;
  } else {
    const absl::StatusOr<ImageHeader> label = ReadImageHeader(files.label);
    if (!label.ok()) return label.status();
    // The reader says what is wrong with it.
    if (!label->has_indices) return ReadLabelMap(files.label, reading_).status();
    height = label->ReadHeight(reading_);
    width = label->ReadWidth(reading_);
  }
  const int image_height = image->ReadHeight(reading_), image_width = image->ReadWidth(reading_);
  if (height == image_height && width == image_width) return absl::OkStatus();
  return OtherSize(files, height, width, image_height, image_width, image->orientation);
}

absl::Status FileDataset::CheckFiles(const std::function<bool()>& interrupted) const {
  constexpr int64_t kPiece = 32;
  std::mutex mutex;
  int64_t failed = size();  // the first sample found wrong so far; what lies behind it need not be looked at
  absl::Status failure;
  std::atomic<bool> stopped = false;
  autograd::ParallelPieces((size() + kPiece - 1) / kPiece, [&](int64_t piece) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (piece * kPiece > failed) return;
    }
    if (stopped || (interrupted != nullptr && interrupted())) {
      stopped = true;
      return;
    }
    for (int64_t i = piece * kPiece; i < std::min(size(), (piece + 1) * kPiece); ++i) {
      absl::Status status = CheckFilesOf(contents_.files[i]);
      if (status.ok()) continue;
      const std::lock_guard<std::mutex> lock(mutex);
      if (i < failed) {
        failed = i;
        failure = std::move(status);
      }
      return;
    }
  });
  if (stopped) return absl::CancelledError("the check of the files was interrupted");
  return failure;
}

bool Exists(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

absl::Status CheckDataRoot(const std::string& folder, const std::string& dataset) {
  if (folder.empty()) return absl::InvalidArgumentError(absl::StrCat(dataset, " needs a data root"));
  std::error_code ignored;
  if (fs::is_directory(folder, ignored)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("data root '", folder, "' of ", dataset, " is not a folder"));
}

void DropRepeated(const std::string& list, FileDatasetContents& contents) {
  std::map<std::pair<std::string, std::string>, int> counts;
  std::vector<SampleFiles> different;
  int repeated = 0, most = 0;
  for (SampleFiles& sample : contents.files) {
    const int count = ++counts[{sample.image, sample.label}];
    most = std::max(most, count);
    repeated += count == 2;
    if (count == 1) different.push_back(std::move(sample));
  }
  contents.files = std::move(different);
  if (repeated == 0) return;
  const char* times = most == 2 ? "twice" : "more than once";
  contents.notes.push_back(repeated == 1
                               ? absl::StrCat(list, ": 1 entry occurs ", times, "; it is used once")
                               : absl::StrCat(list, ": ", repeated, " entries occur ", times, "; each is used once"));
}

bool HasFile(const std::string& folder, absl::string_view suffix, int depth) {
  const absl::StatusOr<FolderContents> contents = ListFolder(folder);
  if (!contents.ok()) return false;
  for (const std::string& name : contents->files) {
    if (absl::EndsWithIgnoreCase(name, suffix)) return true;
  }
  return depth > 0 && std::any_of(contents->folders.begin(), contents->folders.end(), [&](const std::string& name) {
           return HasFile(absl::StrCat(folder, "/", name), suffix, depth - 1);
         });
}

absl::Status PairFiles(const FileGroup& images, const FileGroup& labels, FileDatasetContents& contents) {
  constexpr int kDepth = 1;
  GroupFiles image_files, label_files;
  if (absl::Status status = CollectFiles(images, FileKind::kImage, "", kDepth, image_files); !status.ok())
    return status;
  if (image_files.names.empty()) {
    const std::string others =
        image_files.left_out.empty() ? "" : absl::StrCat(" (it holds ", FirstNames(image_files.left_out), ")");
    return absl::NotFoundError(absl::StrCat("'", images.folder, "' holds no image *", images.suffix, others));
  }
  if (!image_files.left_out.empty()) {
    const size_t count = image_files.left_out.size();
    contents.notes.push_back(absl::StrCat(
        "'", images.folder, "': ", count, count == 1 ? " file is" : " files are",
        " left out, for their kind or because another image has their name: ", FirstNames(image_files.left_out)));
  }
  std::set<std::string> keys;
  for (const auto& [key, name] : image_files.names) keys.insert(key);
  if (!labels.folder.empty()) {
    if (absl::Status status = CollectFiles(labels, FileKind::kExact, "", kDepth, label_files); !status.ok())
      return status;
    for (const auto& [key, name] : label_files.names) keys.insert(key);
  }
  for (const std::string& key : keys) {
    const auto path = [&key](const FileGroup& group, const GroupFiles& files) {
      const auto found = files.names.find(key);
      return absl::StrCat(group.folder, "/",
                          found == files.names.end() ? absl::StrCat(key, group.suffix) : found->second);
    };
    contents.files.push_back({fs::path(key).filename().string(), path(images, image_files),
                              labels.folder.empty() ? "" : path(labels, label_files)});
  }
  return absl::OkStatus();
}

}  // namespace data
