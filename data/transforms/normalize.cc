#include "data/transforms/normalize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "autograd/runtime/error.h"

namespace data {

void NormalizeInto(const Image& image, const Normalization& normalization, int height, int width, float* out) {
  autograd::Require(image.channels == 3 && image.height <= height && image.width <= width, "NormalizeInto", "image of ",
                    image.height, " x ", image.width, " x ", image.channels, " into ", height, " x ", width, " x 3");
  // There are only 256 values: a table is exact and spares the division.
  std::array<std::array<float, 256>, 3> table;
  for (int c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) {
      table[c][v] = (static_cast<float>(v) - normalization.mean[c]) / normalization.standard_deviation[c];
    }
  }
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* in = image.Row(y);
    float* row = out + size_t{3} * y * width;
    for (int x = 0; x < image.width; ++x) {
      row[3 * x] = table[0][in[3 * x]];
      row[3 * x + 1] = table[1][in[3 * x + 1]];
      row[3 * x + 2] = table[2][in[3 * x + 2]];
    }
    std::fill(row + size_t{3} * image.width, row + size_t{3} * width, 0.0f);
  }
  std::fill(out + size_t{3} * image.height * width, out + size_t{3} * height * width, 0.0f);
}

void PadLabelInto(const LabelMap& label, int height, int width, uint8_t* out) {
  autograd::Require(label.height <= height && label.width <= width, "PadLabelInto", "label map of ", label.height,
                    " x ", label.width, " into ", height, " x ", width);
  for (int y = 0; y < label.height; ++y) {
    uint8_t* row = out + static_cast<size_t>(y) * width;
    std::memcpy(row, label.Row(y), label.width);
    std::fill(row + label.width, row + width, kVoidLabel);
  }
  std::fill(out + static_cast<size_t>(label.height) * width, out + static_cast<size_t>(height) * width, kVoidLabel);
}

Image Denormalize(const float* values, const Normalization& normalization, int height, int width) {
  Image image(height, width);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const float value = values[i] * normalization.standard_deviation[i % 3] + normalization.mean[i % 3];
    image.pixels[i] = static_cast<uint8_t>(std::clamp(std::floor(value + 0.5f), 0.0f, 255.0f));
  }
  return image;
}

}  // namespace data
