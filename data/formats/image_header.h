// What a PNG or JPEG file says of its picture, without decoding it: cheap enough to look at every file of a dataset
// before training.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace data {

struct ImageHeader {
  // Of the raster as stored.
  int height = 0, width = 0;
  int orientation = 1;       // of the EXIF remark, 1 where there is none (exif.h)
  bool has_indices = false;  // a palette or grey PNG, which can be a label map

  // Of the picture that ReadImage returns.
  int ReadHeight(const ReadOptions& options) const;
  int ReadWidth(const ReadOptions& options) const;
};

// The header of a file that is whole as far as that is seen without decoding: a PNG's chunks reach IEND, a JPEG has an
// end-of-image marker behind its scan. Every error names the file; the codes are those of ReadImage.
absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path);

// The same of a file's bytes; errors name no file.
absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes);

// The orientation alone; 1 for a file that is not whole or neither PNG nor JPEG.
int OrientationOf(absl::string_view bytes);

}  // namespace data
