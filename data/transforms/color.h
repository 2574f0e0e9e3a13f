// Photometric changes of 8-bit RGB images, with the roundings of the usual implementations (OpenCV's 8-bit
// HSV; floor after brightness and contrast), so that results can be compared value by value.
#pragma once

#include <array>
#include <cstdint>

#include "data/formats/image.h"

namespace data {

// Each value v becomes floor(clip(v * factor + offset, 0, 255)).
void ScaleAndShift(Image& image, float factor, float offset);

// Hue 0..179 (two degrees each), saturation and value 0..255, rounded.
std::array<uint8_t, 3> RgbToHsv(uint8_t red, uint8_t green, uint8_t blue);
std::array<uint8_t, 3> HsvToRgb(uint8_t hue, uint8_t saturation, uint8_t value);

// saturation' = floor(clip(saturation * factor, 0, 255)), hue' = (hue + shift) mod 180.
void ScaleSaturationAndShiftHue(Image& image, float saturation_factor, int hue_shift);

}  // namespace data
