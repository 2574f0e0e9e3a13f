#include "data/transforms/color.h"

#include <algorithm>
#include <cmath>

namespace data {
namespace {

std::array<uint8_t, 256> ScaledAndShifted(float factor, float offset) {
  std::array<uint8_t, 256> table;
  for (int v = 0; v < 256; ++v) {
    table[v] = static_cast<uint8_t>(std::clamp(static_cast<float>(v) * factor + offset, 0.0f, 255.0f));
  }
  return table;
}

// round(numerator / denominator) for non-negative numbers.
int Divide(int numerator, int denominator) { return (2 * numerator + denominator) / (2 * denominator); }

}  // namespace

void ScaleAndShift(Image& image, float factor, float offset) {
  const std::array<uint8_t, 256> table = ScaledAndShifted(factor, offset);
  for (uint8_t& value : image.pixels) value = table[value];
}

std::array<uint8_t, 3> RgbToHsv(uint8_t red, uint8_t green, uint8_t blue) {
  const int value = std::max({red, green, blue}), range = value - std::min({red, green, blue});
  if (range == 0) return {0, 0, static_cast<uint8_t>(value)};
  // 30 hue steps for each of the six sectors between two pure colours; 180 is added first so that nothing is
  // negative.
  int hue;
  if (value == red) {
    hue = Divide(30 * (green - blue) + 180 * range, range);
  } else if (value == green) {
    hue = Divide(30 * (blue - red) + 240 * range, range);
  } else {
    hue = Divide(30 * (red - green) + 300 * range, range);
  }
  return {static_cast<uint8_t>(hue % 180), static_cast<uint8_t>(Divide(255 * range, value)),
          static_cast<uint8_t>(value)};
}

std::array<uint8_t, 3> HsvToRgb(uint8_t hue, uint8_t saturation, uint8_t value) {
  // With f the position in the sector, low = v (1 - s), falling = v (1 - s f), rising = v (1 - s (1 - f)).
  const int sector = hue / 30, f = hue % 30;
  constexpr int kUnit = 255 * 30;
  const auto level = [&](int share) {
    return static_cast<uint8_t>(Divide(value * (kUnit - saturation * share), kUnit));
  };
  const uint8_t high = value, low = level(30), falling = level(f), rising = level(30 - f);
  switch (sector) {
    case 0:
      return {high, rising, low};
    case 1:
      return {falling, high, low};
    case 2:
      return {low, high, rising};
    case 3:
      return {low, falling, high};
    case 4:
      return {rising, low, high};
    default:
      return {high, low, falling};
  }
}

void ScaleSaturationAndShiftHue(Image& image, float saturation_factor, int hue_shift) {
  const std::array<uint8_t, 256> saturations = ScaledAndShifted(saturation_factor, 0.0f);
  std::array<uint8_t, 180> hues;
  for (int hue = 0; hue < 180; ++hue) hues[hue] = static_cast<uint8_t>(((hue + hue_shift) % 180 + 180) % 180);
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    uint8_t* p = image.pixels.data() + i;
    const std::array<uint8_t, 3> hsv = RgbToHsv(p[0], p[1], p[2]);
    const std::array<uint8_t, 3> rgb = HsvToRgb(hues[hsv[0]], saturations[hsv[1]], hsv[2]);
    std::copy(rgb.begin(), rgb.end(), p);
  }
}

}  // namespace data
