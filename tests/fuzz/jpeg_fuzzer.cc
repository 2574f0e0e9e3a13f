// data::DecodeJpeg on any bytes: an image whose pixels fit its size, or a status.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "autograd/runtime/error.h"
#include "data/formats/jpeg.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::StatusOr<data::Image> image = data::DecodeJpeg({reinterpret_cast<const char*>(data), size});
  if (!image.ok()) return 0;
  autograd::Require(image->channels == 3 && image->pixels.size() == size_t{3} * image->height * image->width,
                    "DecodeJpeg", image->pixels.size(), " bytes for ", image->height, " x ", image->width);
  return 0;
}
