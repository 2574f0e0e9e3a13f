#include "data/formats/exif.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "autograd/runtime/error.h"

namespace data {
namespace {

// Numbers of either byte order, and whether all that were asked for lay inside.
class TiffReader {
 public:
  explicit TiffReader(absl::string_view bytes) : bytes_(bytes), big_endian_(bytes.substr(0, 2) == "MM") {}

  uint32_t Number(uint64_t offset, int size) {
    if (offset + size > bytes_.size()) {
      inside_ = false;
      return 0;
    }
    uint32_t value = 0;
    for (int i = 0; i < size; ++i) {
      const int place = big_endian_ ? i : size - 1 - i;
      value = value << 8 | static_cast<uint8_t>(bytes_[offset + place]);
    }
    return value;
  }
  bool inside() const { return inside_; }

 private:
  const absl::string_view bytes_;
  const bool big_endian_;
  bool inside_ = true;
};

template <typename Value>
void Turn(int orientation, int channels, int& height, int& width, std::vector<Value>& values) {
  autograd::Require(orientation >= 1 && orientation <= 8, "Reorient", "orientation ", orientation);
  if (orientation == 1) return;
  const bool swap = SwapsSides(orientation);
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const int shown_height = swap ? width : height, shown_width = swap ? height : width;
  std::vector<Value> shown(values.size());
  Value* out = shown.data();
  for (int y = 0; y < shown_height; ++y) {
    for (int x = 0; x < shown_width; ++x) {
      int row = swap ? x : y, column = swap ? y : x;
      if (flip_rows) row = height - 1 - row;
      if (flip_columns) column = width - 1 - column;
      const Value* in = values.data() + (static_cast<size_t>(row) * width + column) * channels;
      out = std::copy(in, in + channels, out);
    }
  }
  values = std::move(shown);
  height = shown_height;
  width = shown_width;
}

}  // namespace

int ExifOrientation(absl::string_view tiff) {
  constexpr uint32_t kMagic = 42, kTag = 0x0112;
  constexpr int kEntry = 12;
  if (tiff.substr(0, 2) != "II" && tiff.substr(0, 2) != "MM") return 1;
  TiffReader reader(tiff);
  if (reader.Number(2, 2) != kMagic) return 1;
  const uint64_t directory = reader.Number(4, 4);
  const uint32_t entries = reader.Number(directory, 2);
  for (uint32_t i = 0; i < entries && reader.inside(); ++i) {
    const uint64_t entry = directory + 2 + uint64_t{kEntry} * i;
    if (reader.Number(entry, 2) != kTag) continue;
    // BYTE, SHORT (which the standard asks for) or LONG. A value of up to four bytes stands at the low end of its
    // field.
    const uint32_t type = reader.Number(entry + 2, 2), count = reader.Number(entry + 4, 4);
    const int size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
    if (size == 0 || count != 1) return 1;
    const uint32_t value = reader.Number(entry + 8, size);
    return reader.inside() && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

void Reorient(int orientation, Image& image) {
  Turn(orientation, image.channels, image.height, image.width, image.pixels);
}

void Reorient(int orientation, LabelMap& labels) { Turn(orientation, 1, labels.height, labels.width, labels.values); }

void Reorient(int orientation, IndexMap& map) { Turn(orientation, 1, map.height, map.width, map.values); }

}  // namespace data
