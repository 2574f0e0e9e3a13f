#include "experiments/report/display_width.h"

#include "gtest/gtest.h"

namespace experiments {
namespace {

TEST(DisplayWidthTest, CountsCodePoints) {
  EXPECT_EQ(DisplayWidth(""), 0);
  EXPECT_EQ(DisplayWidth("mIoU"), 4);
  EXPECT_EQ(DisplayWidth("1.0 ± 0.2"), 9);
  EXPECT_EQ(DisplayWidth("█▌"), 2);
}

TEST(DisplayWidthTest, TruncatesBetweenCodePoints) {
  EXPECT_EQ(TruncateToWidth("1 ± 2", 3), "1 ±");
  EXPECT_EQ(TruncateToWidth("1 ± 2", 2), "1 ");
  EXPECT_EQ(TruncateToWidth("1 ± 2", 9), "1 ± 2");
  EXPECT_EQ(TruncateToWidth("±", 0), "");
  EXPECT_EQ(TruncateToWidth("ab", -1), "");
}

}  // namespace
}  // namespace experiments
