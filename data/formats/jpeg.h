// JPEG (baseline and progressive) through libjpeg-turbo.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace data {

bool IsJpeg(absl::string_view bytes);

// Any JPEG as RGB: grey is repeated, the EXIF orientation is obeyed. Four channels (CMYK, YCCK) are taken as inverted
// inks, with or without Adobe's marker, as Pillow and browsers take them: red = cyan * black / 255. Uses the accurate
// integer DCT and smooth chroma up-sampling. Errors as in png.h; damage that libjpeg would only warn about and paint
// over is an error here.
absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes, const ReadOptions& options = {});

// `quality` in 1..100. Colour images are stored with 4:2:0 chroma, one-channel images as grey. Throws
// autograd::Error if the pixel vector does not fit the size or has neither 1 nor 3 channels.
std::string EncodeJpeg(const Image& image, int quality = 95);

}  // namespace data
