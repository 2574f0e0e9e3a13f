#include "data/transforms/color.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "gtest/gtest.h"

namespace data {
namespace {

// The textbook conversion (Smith, SIGGRAPH 1978) in floating point: hue in half degrees, saturation in 0..255.
void ReferenceHsv(int red, int green, int blue, double* hue, double* saturation) {
  const double high = std::max({red, green, blue}), low = std::min({red, green, blue}), range = high - low;
  *saturation = high > 0 ? 255 * range / high : 0;
  *hue = 0;
  if (range == 0) return;
  if (high == red)
    *hue = 60 * (green - blue) / range;
  else if (high == green)
    *hue = 120 + 60 * (blue - red) / range;
  else
    *hue = 240 + 60 * (red - green) / range;
  if (*hue < 0) *hue += 360;
  *hue /= 2;
}

TEST(Color, HsvEqualsTheDefinition) {
  for (int red = 0; red < 256; red += 5) {
    for (int green = 0; green < 256; green += 5) {
      for (int blue = 0; blue < 256; blue += 5) {
        double hue, saturation;
        ReferenceHsv(red, green, blue, &hue, &saturation);
        const std::array<uint8_t, 3> hsv = RgbToHsv(red, green, blue);
        const double apart = std::fabs(hsv[0] - hue);
        EXPECT_LE(std::min(apart, 180 - apart), 0.5 + 1e-9) << red << " " << green << " " << blue;
        EXPECT_NEAR(hsv[1], saturation, 0.5 + 1e-9);
        EXPECT_EQ(hsv[2], std::max({red, green, blue}));
        EXPECT_LT(hsv[0], 180);
      }
    }
  }
}

TEST(Color, PureColoursAndRoundTrip) {
  EXPECT_EQ(RgbToHsv(255, 0, 0), (std::array<uint8_t, 3>{0, 255, 255}));
  EXPECT_EQ(RgbToHsv(0, 255, 0), (std::array<uint8_t, 3>{60, 255, 255}));
  EXPECT_EQ(RgbToHsv(0, 0, 255), (std::array<uint8_t, 3>{120, 255, 255}));
  EXPECT_EQ(RgbToHsv(255, 0, 255), (std::array<uint8_t, 3>{150, 255, 255}));
  EXPECT_EQ(HsvToRgb(30, 255, 255), (std::array<uint8_t, 3>{255, 255, 0}));
  EXPECT_EQ(HsvToRgb(90, 255, 128), (std::array<uint8_t, 3>{0, 128, 128}));
  EXPECT_EQ(HsvToRgb(17, 0, 93), (std::array<uint8_t, 3>{93, 93, 93}));
  int largest = 0;
  for (int red = 0; red < 256; red += 3) {
    for (int green = 0; green < 256; green += 3) {
      for (int blue = 0; blue < 256; blue += 3) {
        const std::array<uint8_t, 3> hsv = RgbToHsv(red, green, blue), rgb = HsvToRgb(hsv[0], hsv[1], hsv[2]);
        largest = std::max({largest, std::abs(rgb[0] - red), std::abs(rgb[1] - green), std::abs(rgb[2] - blue)});
      }
    }
  }
  EXPECT_LE(largest, 5);  // half a hue step of 255 / 30 levels, and roundings
}

TEST(Color, ScaleAndShift) {
  Image image(1, 2);
  image.pixels = {0, 100, 200, 255, 33, 1};
  ScaleAndShift(image, 1.5f, 0);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{0, 150, 255, 255, 49, 1}));
  ScaleAndShift(image, 1.0f, -20.5f);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{0, 129, 234, 234, 28, 0}));
}

TEST(Color, SaturationAndHue) {
  Image image(1, 2);
  image.pixels = {255, 0, 0, 90, 90, 90};
  ScaleSaturationAndShiftHue(image, 1.0f, 60);  // red becomes green
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{0, 255, 0, 90, 90, 90}));
  ScaleSaturationAndShiftHue(image, 1.0f, -18);
  EXPECT_EQ(RgbToHsv(image.pixels[0], image.pixels[1], image.pixels[2])[0], 42);
  ScaleSaturationAndShiftHue(image, 0.0f, 0);
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{255, 255, 255, 90, 90, 90}));
}

}  // namespace
}  // namespace data
