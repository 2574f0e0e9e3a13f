// From 8-bit images to the numbers a network sees, and back.
#pragma once

#include <array>
#include <cstdint>

#include "data/datasets/dataset.h"

namespace data {

struct Normalization {
  Normalization() = default;
  explicit Normalization(const DatasetInfo& info) : mean(info.mean), standard_deviation(info.standard_deviation) {}

  std::array<float, 3> mean = {123.675f, 116.28f, 103.53f};
  std::array<float, 3> standard_deviation = {58.395f, 57.12f, 57.375f};
};

// out[y, x, c] = (image[y, x, c] - mean[c]) / standard_deviation[c] into the top left of `out`, which is
// [height, width, 3]; the rest is 0, the mean colour. The image must fit.
void NormalizeInto(const Image& image, const Normalization& normalization, int height, int width, float* out);

// The label map into the top left of `out` [height, width]; the rest is void.
void PadLabelInto(const LabelMap& label, int height, int width, uint8_t* out);

// The image that NormalizeInto was given, for pictures: rounded and clipped.
Image Denormalize(const float* values, const Normalization& normalization, int height, int width);

}  // namespace data
