// Images and label maps from files, the format told by the first bytes and not by the file's name.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "data/formats/image.h"

namespace data {

// PNG or JPEG as RGB, as it is shown (ReadOptions). Every error names the file.
absl::StatusOr<Image> ReadImage(const std::string& path, const ReadOptions& options = {});

// PNG label maps by index (png.h). ReadLabelMap refuses values above 255.
absl::StatusOr<IndexMap> ReadIndexMap(const std::string& path, const ReadOptions& options = {});
absl::StatusOr<LabelMap> ReadLabelMap(const std::string& path, const ReadOptions& options = {});

}  // namespace data
