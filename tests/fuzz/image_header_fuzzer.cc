// data::ParseImageHeader on any bytes: a status, or a size that can be; and of every file that a decoder takes, the
// size of what it makes.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/formats/image_header.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "tests/fuzz/png_checksums.h"

namespace {

void Check(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<data::ImageHeader> header = data::ParseImageHeader(bytes);
  if (header.ok()) {
    autograd::Require(header->height > 0 && header->width > 0 && header->orientation >= 1 && header->orientation <= 8,
                      "ParseImageHeader", header->width, " x ", header->height, ", orientation ", header->orientation);
  }
  for (const bool ignore : {false, true}) {
    const data::ReadOptions options = {.ignore_orientation = ignore};
    const absl::StatusOr<data::Image> image =
        data::IsPng(bytes) ? data::DecodePng(bytes, options) : data::DecodeJpeg(bytes, options);
    if (!image.ok()) continue;
    autograd::Require(header.ok(), "ParseImageHeader", "refused what a decoder takes: ", header.status().message());
    autograd::Require(header->ReadHeight(options) == image->height && header->ReadWidth(options) == image->width,
                      "ParseImageHeader", header->ReadWidth(options), " x ", header->ReadHeight(options), " for ",
                      image->width, " x ", image->height);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Check(data, size);
  const std::vector<uint8_t> repaired = fuzz::WithRightChecksums(data, size);
  Check(repaired.data(), repaired.size());
  return 0;
}
