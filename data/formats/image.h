// Images, label maps and colours as plain values; what every file format reads into and writes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace data {

// The label value of pixels that neither training nor evaluation counts.
inline constexpr uint8_t kVoidLabel = 255;

struct Color {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  friend bool operator==(const Color&, const Color&) = default;
};

// 8-bit image, [height, width, channels] row-major. Readers always return three channels, RGB. Equal are images of the
// same pixels.
struct Image {
  Image() = default;
  Image(int height, int width, int channels = 3)
      : height(height), width(width), channels(channels), pixels(size_t{1} * height * width * channels) {}

  uint8_t* Row(int y) { return pixels.data() + static_cast<size_t>(y) * width * channels; }
  const uint8_t* Row(int y) const { return pixels.data() + static_cast<size_t>(y) * width * channels; }
  friend bool operator==(const Image& a, const Image& b) {
    return a.height == b.height && a.width == b.width && a.channels == b.channels && a.pixels == b.pixels;
  }

  int height = 0;
  int width = 0;
  int channels = 3;
  std::vector<uint8_t> pixels;
  // The EXIF remark (exif.h) of the file that the image was read from, 1 without one. The pixels obey it already,
  // unless the reader was told to ignore it.
  int orientation = 1;
};

// One class number a pixel, [height, width] row-major. In a dataset's samples the values are train ids,
// 0 .. classes-1, or kVoidLabel.
struct LabelMap {
  LabelMap() = default;
  LabelMap(int height, int width, uint8_t value = 0)
      : height(height), width(width), values(size_t{1} * height * width, value) {}

  uint8_t* Row(int y) { return values.data() + static_cast<size_t>(y) * width; }
  const uint8_t* Row(int y) const { return values.data() + static_cast<size_t>(y) * width; }
  friend bool operator==(const LabelMap&, const LabelMap&) = default;

  int height = 0;
  int width = 0;
  std::vector<uint8_t> values;
};

// The numbers as a label file stores them, before a dataset gives them a meaning. Some files (instances, the
// 459 labels of Pascal Context) need 16 bits.
struct IndexMap {
  int height = 0;
  int width = 0;
  std::vector<uint16_t> values;
};

// How files become images and label maps.
struct ReadOptions {
  // The raster as it is stored, for data whose labels were drawn on that. Otherwise the picture as it is shown: turned
  // as its EXIF remark says.
  bool ignore_orientation = false;
};

// Larger images are refused before memory is allocated for them.
inline constexpr int kMaxDimension = 65500;
inline constexpr int64_t kMaxPixels = int64_t{1} << 27;

}  // namespace data
