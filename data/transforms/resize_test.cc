#include "data/transforms/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "autograd/runtime/error.h"
#include "autograd/runtime/random.h"
#include "gtest/gtest.h"

namespace data {
namespace {

Image NoiseImage(int height, int width, int channels, uint64_t seed) {
  Image image(height, width, channels);
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<uint8_t>(autograd::Philox(autograd::RandomKey(seed), i).x);
  }
  return image;
}

// The definition, in double precision and one pixel at a time.
double Bilinear(const Image& image, int height, int width, int y, int x, int c) {
  const double v = std::clamp((y + 0.5) * image.height / height - 0.5, 0.0, image.height - 1.0);
  const double u = std::clamp((x + 0.5) * image.width / width - 0.5, 0.0, image.width - 1.0);
  const int y0 = static_cast<int>(v), x0 = static_cast<int>(u);
  const int y1 = std::min(y0 + 1, image.height - 1), x1 = std::min(x0 + 1, image.width - 1);
  const auto at = [&](int row, int column) { return static_cast<double>(image.Row(row)[column * image.channels + c]); };
  const double fy = v - y0, fx = u - x0;
  return (1 - fy) * ((1 - fx) * at(y0, x0) + fx * at(y0, x1)) + fy * ((1 - fx) * at(y1, x0) + fx * at(y1, x1));
}

TEST(ResizeImage, EqualsTheDefinition) {
  const Image image = NoiseImage(13, 17, 3, 1);
  for (const auto& [height, width] : {std::pair{26, 34}, {7, 5}, {13, 40}, {1, 1}, {50, 3}, {100, 100}}) {
    const Image resized = ResizeImage(image, height, width);
    ASSERT_EQ(resized.height, height);
    ASSERT_EQ(resized.width, width);
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (int c = 0; c < 3; ++c) {
          // Half a level for rounding, and the weights' 11 bits.
          EXPECT_NEAR(resized.Row(y)[3 * x + c], Bilinear(image, height, width, y, x, c), 0.5 + 255.0 / 2048);
        }
      }
    }
  }
}

TEST(ResizeImage, SameSizeAndConstantsAreUnchanged) {
  const Image image = NoiseImage(9, 4, 3, 2);
  EXPECT_EQ(ResizeImage(image, 9, 4), image);
  Image constant(5, 5);
  std::fill(constant.pixels.begin(), constant.pixels.end(), uint8_t{255});
  const Image larger = ResizeImage(constant, 33, 12);
  EXPECT_EQ(std::count(larger.pixels.begin(), larger.pixels.end(), 255), 33 * 12 * 3);
}

TEST(ResizeImage, AWindowIsACropOfTheWhole) {
  const Image image = NoiseImage(31, 45, 3, 3);
  for (const auto& [height, width] : {std::pair{60, 90}, {20, 22}, {31, 45}}) {
    const Image whole = ResizeImage(image, height, width);
    for (const Window& window :
         {Window{0, 0, height, width}, Window{3, 5, 10, 11}, Window{height - 1, width - 1, 1, 1}}) {
      EXPECT_EQ(ResizeImageWindow(image, height, width, window), CropImage(whole, window));
    }
  }
}

TEST(ResizeLabel, NearestByCentres) {
  LabelMap label(1, 4);
  label.values = {10, 20, 30, 255};
  EXPECT_EQ(ResizeLabel(label, 1, 8).values, (std::vector<uint8_t>{10, 10, 20, 20, 30, 30, 255, 255}));
  EXPECT_EQ(ResizeLabel(label, 1, 2).values, (std::vector<uint8_t>{20, 255}));      // centres at 1.0 and 3.0
  EXPECT_EQ(ResizeLabel(label, 1, 3).values, (std::vector<uint8_t>{10, 30, 255}));  // 0.67, 2.0, 3.33
  EXPECT_EQ(ResizeLabel(label, 3, 1).values, (std::vector<uint8_t>{30, 30, 30}));
  LabelMap column(3, 1);
  column.values = {1, 2, 3};
  EXPECT_EQ(ResizeLabel(column, 6, 1).values, (std::vector<uint8_t>{1, 1, 2, 2, 3, 3}));
}

// Label and image must not drift apart: an image that stores the label keeps agreeing with it away from
// borders.
TEST(ResizeLabel, StaysAlignedWithTheImage) {
  LabelMap label(40, 50);
  Image image(40, 50);
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 50; ++x) {
      const uint8_t value = (x >= 20) != (y >= 10) ? 200 : 0;
      label.Row(y)[x] = value;
      for (int c = 0; c < 3; ++c) image.Row(y)[3 * x + c] = value;
    }
  }
  for (const auto& [height, width] : {std::pair{80, 100}, {23, 31}, {57, 90}}) {
    const LabelMap small_label = ResizeLabel(label, height, width);
    const Image small_image = ResizeImage(image, height, width);
    for (int i = 0; i < height * width; ++i) {
      const int value = small_image.pixels[3 * i];
      if (value < 90 || value > 110) {
        EXPECT_EQ(small_label.values[i], value > 100 ? 200 : 0) << i;
      }
    }
  }
}

TEST(Resize, MisuseThrows) {
  const Image image(4, 4);
  EXPECT_THROW(ResizeImage(image, 0, 3), autograd::Error);
  EXPECT_THROW(ResizeImage(Image(), 3, 3), autograd::Error);
  EXPECT_THROW(CropImage(image, {0, 1, 4, 4}), autograd::Error);
  EXPECT_THROW(CropLabel(LabelMap(4, 4), {-1, 0, 2, 2}), autograd::Error);
  EXPECT_THROW(ResizeLabel(LabelMap(4, 4), 3, 0), autograd::Error);
}

}  // namespace
}  // namespace data
