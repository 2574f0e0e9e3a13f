#include "experiments/report/picture_text.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace experiments {
namespace {

constexpr data::Color kInk = {9, 8, 7};

// '#' where the picture has ink.
std::vector<std::string> Dots(const data::Image& image) {
  std::vector<std::string> rows(image.height);
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) rows[y] += image.Row(y)[3 * x] == kInk.red ? '#' : '.';
  }
  return rows;
}

TEST(PictureTextTest, DrawsLetters) {
  data::Image image(TextHeight(1), TextWidth("L p", 1));
  DrawText(image, 0, 0, "L p", kInk, 1);
  EXPECT_EQ(Dots(image), (std::vector<std::string>{
                             "#..............",
                             "#..............",
                             "#.........####.",
                             "#.........#...#",
                             "#.........#...#",
                             "#.........#...#",
                             "#####.....####.",
                             "..........#....",
                             "..........#....",
                         }));
}

TEST(PictureTextTest, ScalesAndClips) {
  data::Image image(6, 4);
  DrawText(image, 1, -2, "l", kInk, 2);  // one column of dots to the last row, where it turns right
  EXPECT_EQ(Dots(image), (std::vector<std::string>(6, ".##.")));
  EXPECT_EQ(TextWidth("l", 2), 4);
  EXPECT_EQ(TextWidth("", 2), 0);
  EXPECT_EQ(TextWidth("\x01", 3), TextWidth("?", 3));
  DrawText(image, 100, 100, "outside", kInk, 1);
}

}  // namespace
}  // namespace experiments
