// data::DecodePng on any bytes: an image whose pixels fit its size and survive being written and read again, or a
// status.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/formats/png.h"
#include "tests/fuzz/png_checksums.h"

namespace {

void Decode(const uint8_t* data, size_t size) {
  constexpr size_t kWrittenAgain = 1 << 14;  // writing is slow
  const absl::StatusOr<data::Image> image = data::DecodePng({reinterpret_cast<const char*>(data), size});
  if (!image.ok()) return;
  autograd::Require(image->channels == 3 && image->pixels.size() == size_t{3} * image->height * image->width,
                    "DecodePng", image->pixels.size(), " bytes for ", image->height, " x ", image->width);
  if (image->pixels.size() > kWrittenAgain) return;
  const absl::StatusOr<data::Image> again = data::DecodePng(data::EncodePng(*image));
  autograd::Require(again.ok() && *again == *image, "DecodePng", "changed when written and read again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Decode(data, size);
  const std::vector<uint8_t> repaired = fuzz::WithRightChecksums(data, size);
  Decode(repaired.data(), repaired.size());
  return 0;
}
