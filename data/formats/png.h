// PNG through libpng. Sample values are taken as they are stored: no gamma, no colour management.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/image.h"

namespace data {

bool IsPng(absl::string_view bytes);

// The decoders take a whole file's bytes and never crash on damaged ones. DataLoss: truncated or corrupt;
// InvalidArgument: not a PNG, or of a kind not wanted; ResourceExhausted: beyond kMaxPixels. All obey the orientation
// of an eXIf chunk.

// Any PNG as RGB: palettes are looked up, grey is repeated, 16 bits are rounded to 8, alpha is dropped.
absl::StatusOr<Image> DecodePng(absl::string_view bytes, const ReadOptions& options = {});

// A label map by index: the palette index of palette files (the colour is decoration), the grey value
// unscaled (1, 2, 4, 8, 16 bits) of grey ones; alpha is dropped. RGB files have no index and are an error.
absl::StatusOr<IndexMap> DecodeIndexPng(absl::string_view bytes, const ReadOptions& options = {});
// The same; values above 255 are an error.
absl::StatusOr<LabelMap> DecodeLabelPng(absl::string_view bytes, const ReadOptions& options = {});

// Throws autograd::Error if the pixel vector does not fit the size. 1, 3 or 4 channels.
std::string EncodePng(const Image& image);
// Grey, 8 bits.
std::string EncodeLabelPng(const LabelMap& labels);

// Palette PNG of a label map: value k is drawn in palette[k], void in `void_color`. InvalidArgument if a
// value has no colour.
absl::StatusOr<std::string> EncodePalettePng(const LabelMap& labels, const std::vector<Color>& palette,
                                             Color void_color = {224, 224, 192});

// The same into files, atomically.
absl::Status WritePng(const std::string& path, const Image& image);
absl::Status WriteLabelPng(const std::string& path, const LabelMap& labels);
absl::Status WritePalettePng(const std::string& path, const LabelMap& labels, const std::vector<Color>& palette,
                             Color void_color = {224, 224, 192});

}  // namespace data
