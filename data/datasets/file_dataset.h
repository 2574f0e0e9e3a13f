// The common part of datasets on disk: pairs of image and label files, and the meaning of the values that the
// label files store.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/datasets/dataset.h"

namespace data {

// Train id of each stored value; kInvalidValue marks the values that the format does not have.
using LabelEncoding = std::array<int16_t, 256>;
inline constexpr int16_t kInvalidValue = -1;

// The encoding in which `info.stored_values` are the classes and `void_values` are void.
LabelEncoding EncodingOf(const DatasetInfo& info, const std::vector<uint8_t>& void_values);

struct SampleFiles {
  std::string id;
  std::string image;
  std::string label;
};

class FileDataset : public Dataset {
 public:
  // NotFound if one of the files does not exist: a hole in the data should end a run in its first second, not
  // in its third hour.
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(DatasetInfo info, LabelEncoding encoding,
                                                         std::vector<SampleFiles> files);

  const DatasetInfo& info() const override { return info_; }
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  absl::StatusOr<Sample> Load(int64_t index) const override;

 private:
  FileDataset(DatasetInfo info, LabelEncoding encoding, std::vector<SampleFiles> files);

  const DatasetInfo info_;
  const LabelEncoding encoding_;
  const std::vector<SampleFiles> files_;
};

// The lines of a split's list, each cut at blanks into exactly `fields` words; empty lines are skipped.
// Errors name the file and the line; an empty list is one.
absl::StatusOr<std::vector<std::vector<std::string>>> ReadList(const std::string& path, int fields);

// OK if `folder` is a directory; else an error that names it and says what `dataset` expects there.
absl::Status CheckDataRoot(const std::string& folder, const std::string& dataset);

}  // namespace data
