#include "data/formats/read_image.h"

#include "absl/strings/str_cat.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"

namespace data {
namespace {

// Runs `decode` on the file's bytes and puts the file's name in front of its error.
template <typename Decode>
auto ReadWith(const std::string& path, const Decode& decode) -> decltype(decode(absl::string_view())) {
  absl::StatusOr<std::string> bytes = autograd::ReadFile(path);
  if (!bytes.ok()) return bytes.status();
  auto result = bytes->empty() ? absl::DataLossError("the file is empty") : decode(*bytes);
  if (result.ok()) return result;
  return absl::Status(result.status().code(), absl::StrCat("'", path, "': ", result.status().message()));
}

absl::Status NotPng(absl::string_view bytes) {
  return absl::InvalidArgumentError(IsJpeg(bytes) ? "a JPEG cannot be a label map: its values are not exact"
                                                  : "not a PNG file");
}

}  // namespace

absl::StatusOr<Image> ReadImage(const std::string& path, const ReadOptions& options) {
  return ReadWith(path, [&options](absl::string_view bytes) -> absl::StatusOr<Image> {
    if (IsPng(bytes)) return DecodePng(bytes, options);
    if (IsJpeg(bytes)) return DecodeJpeg(bytes, options);
    return absl::InvalidArgumentError("neither PNG nor JPEG, judging by its first bytes");
  });
}

absl::StatusOr<IndexMap> ReadIndexMap(const std::string& path, const ReadOptions& options) {
  return ReadWith(path, [&options](absl::string_view bytes) -> absl::StatusOr<IndexMap> {
    if (!IsPng(bytes)) return NotPng(bytes);
    return DecodeIndexPng(bytes, options);
  });
}

absl::StatusOr<LabelMap> ReadLabelMap(const std::string& path, const ReadOptions& options) {
  return ReadWith(path, [&options](absl::string_view bytes) -> absl::StatusOr<LabelMap> {
    if (!IsPng(bytes)) return NotPng(bytes);
    return DecodeLabelPng(bytes, options);
  });
}

}  // namespace data
