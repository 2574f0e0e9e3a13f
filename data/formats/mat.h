// Label maps in MATLAB files: MAT level 5, as MATLAB saves up to -v7, compressed or not. Read here and not by libmatio,
// which would bring HDF5 and some thirty libraries more, and takes damaged files for whole ones.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace data {

// The matrix `variable` as [height, width]: any real numeric class whose values are whole numbers from 0 to 65535. A
// dot names a field of a struct: "GTcls.Segmentation". Every error names the file, and the variable where that is at
// fault. NotFound: no such file or variable; DataLoss: truncated or corrupt; InvalidArgument: not MAT level 5, or not
// such a matrix; ResourceExhausted: beyond kMaxPixels.
absl::StatusOr<IndexMap> ReadMatIndexMap(const std::string& path, const std::string& variable);

// The same of a file's bytes, whose errors name no file.
absl::StatusOr<IndexMap> DecodeMatIndexMap(absl::string_view bytes, const std::string& variable);

}  // namespace data
