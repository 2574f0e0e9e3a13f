#include "experiments/report/overlay.h"

#include "autograd/runtime/error.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

using data::Color;
using data::kVoidLabel;

const std::vector<Color> kPalette = {{10, 20, 30}, {200, 100, 0}};

data::LabelMap Labels(int height, int width, std::vector<uint8_t> values) {
  data::LabelMap labels(height, width);
  labels.values = std::move(values);
  return labels;
}

Color At(const data::Image& image, int y, int x) {
  const uint8_t* pixel = image.Row(y) + 3 * x;
  return {pixel[0], pixel[1], pixel[2]};
}

data::Image Plain(int height, int width, Color color) {
  return ColorLabels(data::LabelMap(height, width, 0), std::vector<Color>{color});
}

TEST(OverlayTest, ColorsLabels) {
  const data::Image picture = ColorLabels(Labels(1, 3, {1, 0, kVoidLabel}), kPalette, {1, 2, 3});
  EXPECT_EQ(picture.height, 1);
  EXPECT_EQ(picture.width, 3);
  EXPECT_EQ(picture.pixels, (std::vector<uint8_t>{200, 100, 0, 10, 20, 30, 1, 2, 3}));
}

TEST(OverlayTest, BlendsAndLeavesVoidAlone) {
  const data::Image image = Plain(1, 3, {100, 100, 101});
  const data::Image picture = BlendLabels(image, Labels(1, 3, {1, 0, kVoidLabel}), kPalette, 0.25);
  EXPECT_EQ(At(picture, 0, 0), (Color{125, 100, 76}));  // 75.75 rounds up.
  EXPECT_EQ(At(picture, 0, 1), (Color{78, 80, 83}));    // 77.5, 80, 83.25.
  EXPECT_EQ(At(picture, 0, 2), (Color{100, 100, 101}));
}

TEST(OverlayTest, ErrorsShowThePredictedClass) {
  const data::Image picture = ErrorPicture(Labels(2, 2, {0, 1, kVoidLabel, 1}), Labels(2, 2, {1, 1, 0, 0}), kPalette);
  EXPECT_EQ(At(picture, 0, 0), kPalette[1]);
  EXPECT_EQ(At(picture, 0, 1), (Color{255, 255, 255}));
  EXPECT_EQ(At(picture, 1, 0), (Color{208, 208, 208}));
  EXPECT_EQ(At(picture, 1, 1), kPalette[0]);
}

TEST(OverlayTest, GridPlacesEveryPicture) {
  const Color a = {1, 1, 1}, b = {2, 2, 2}, c = {3, 3, 3}, background = {9, 9, 9};
  const data::Image grid = PictureGrid({{Plain(2, 3, a), Plain(4, 2, b)}, {Plain(1, 1, c)}}, 1, background);
  ASSERT_EQ(grid.height, 4 + 1 + 1);
  ASSERT_EQ(grid.width, 3 + 1 + 2);
  const std::vector<std::vector<int>> expected = {
      {9, 9, 9, 9, 2, 2}, {1, 1, 1, 9, 2, 2}, {1, 1, 1, 9, 2, 2},
      {9, 9, 9, 9, 2, 2}, {9, 9, 9, 9, 9, 9}, {9, 3, 9, 9, 9, 9},
  };
  for (int y = 0; y < grid.height; ++y) {
    for (int x = 0; x < grid.width; ++x) EXPECT_EQ(At(grid, y, x).red, expected[y][x]) << y << "," << x;
  }
  EXPECT_TRUE(PictureGrid({}).pixels.empty());
}

TEST(OverlayTest, MisuseThrows) {
  EXPECT_THROW(ColorLabels(Labels(1, 1, {2}), kPalette), autograd::Error);
  EXPECT_THROW(BlendLabels(data::Image(1, 2), Labels(2, 1, {0, 0}), kPalette), autograd::Error);
  EXPECT_THROW(BlendLabels(data::Image(1, 1, 1), Labels(1, 1, {0}), kPalette), autograd::Error);
  EXPECT_THROW(ErrorPicture(Labels(1, 1, {0}), Labels(1, 2, {0, 0}), kPalette), autograd::Error);
}

}  // namespace
}  // namespace experiments
