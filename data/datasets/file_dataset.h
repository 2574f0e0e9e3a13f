// The common part of datasets on disk: pairs of image and label files, and the meaning of the values that the
// label files store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/datasets/dataset.h"

namespace data {

// Train id of each stored value. kInvalidValue marks the values that the format does not have; so does the end.
using LabelEncoding = std::vector<int16_t>;
inline constexpr int16_t kInvalidValue = -1;

// The encoding in which `info.stored_values` are the classes and `void_values` are void.
LabelEncoding EncodingOf(const DatasetInfo& info, const std::vector<uint8_t>& void_values);

struct SampleFiles {
  std::string id;
  std::string image;
  std::string label;  // a PNG of indices or a .mat file; empty where the split has no labels
};

struct FileDatasetContents {
  DatasetInfo info;
  LabelEncoding encoding;
  std::vector<SampleFiles> files;
  std::string mat_variable = "";        // of the .mat files among the labels, as in mat.h
  std::vector<std::string> notes = {};  // Dataset::Notes
};

class FileDataset : public Dataset {
 public:
  // With kRefuse NotFound names the first missing file and says how many there are.
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(FileDatasetContents contents, const FileOptions& options = {});

  const DatasetInfo& info() const override { return contents_.info; }
  int64_t size() const override { return static_cast<int64_t>(contents_.files.size()); }
  absl::StatusOr<Sample> Load(int64_t index) const override;
  std::vector<MissingFile> Missing() const override { return missing_; }
  std::vector<std::string> Notes() const override { return contents_.notes; }
  absl::Status CheckFiles(const std::function<bool()>& interrupted) const override;

 private:
  FileDataset(FileDatasetContents contents, ReadOptions reading, std::vector<MissingFile> missing);
  template <typename Map>
  absl::Status Encode(const std::string& path, const Map& stored, LabelMap& label) const;
  absl::StatusOr<LabelMap> LoadLabel(const std::string& path) const;
  absl::Status CheckFilesOf(const SampleFiles& files) const;

  const FileDatasetContents contents_;
  const ReadOptions reading_;
  const std::vector<MissingFile> missing_;
};

// Whether there is a file or folder of that name; not where it cannot be asked.
bool Exists(const std::filesystem::path& path);

// OK if `folder` is a directory; else an error that names it and says what `dataset` expects there.
absl::Status CheckDataRoot(const std::string& folder, const std::string& dataset);

// Leaves of samples with the same files only the first; contents.notes says how many the list (its name) repeats.
void DropRepeated(const std::string& list, FileDatasetContents& contents);

// True if a file whose name ends with `suffix`, in capitals or not, lies in `folder` or at most `depth` folders below.
bool HasFile(const std::string& folder, absl::string_view suffix, int depth);

// The files <folder>/<key><suffix>, where a key is a stem or <sub-folder>/<stem>.
struct FileGroup {
  std::string folder;
  std::string suffix;
};

// Adds the pairs of images and labels to contents.files by their keys, in the order of the keys; a sample's id is its
// key's stem. The extension of a suffix may be spelled in other ways (image_files.h). Where one of the two does not
// exist its path stands there all the same, for Create() to find missing. Without a `labels.folder` the samples have no
// labels. Files in the folder of the images that are none of its images are counted in contents.notes. NotFound if a
// folder does not exist, or `images` has no file.
absl::Status PairFiles(const FileGroup& images, const FileGroup& labels, FileDatasetContents& contents);

}  // namespace data
