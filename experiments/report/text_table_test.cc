#include "experiments/report/text_table.h"

#include "gtest/gtest.h"

namespace experiments {
namespace {

TEST(TextTableTest, AlignsTextLeftAndNumbersRight) {
  EXPECT_EQ(FormatTextTable({{"method", "mIoU"}, {"supervised", "9.5"}, {"PSD", "10.25 ± 0.10"}}),
            "method              mIoU\n"
            "──────────  ────────────\n"
            "supervised           9.5\n"
            "PSD         10.25 ± 0.10\n");
}

TEST(TextTableTest, ShortRowsArePaddedAndNoLineEndsInBlanks) {
  EXPECT_EQ(FormatTextTable({{"a", "note"}, {"long name"}, {"b", "text"}}),
            "a          note\n"
            "─────────  ────\n"
            "long name\n"
            "b          text\n");
  EXPECT_EQ(FormatTextTable({}), "");
}

TEST(TextTableTest, WhatLooksNumeric) {
  for (const char* cell : {"", "–", "12", "-0.3", "+1", ".5", "37 %", "1.2 M", "1e-4", "55.75 ± 0.31", "×3", "nan"}) {
    EXPECT_TRUE(LooksNumeric(cell)) << cell;
  }
  for (const char* cell : {"PSL", "2 scales", "road", "{4,8}", "e"}) EXPECT_FALSE(LooksNumeric(cell)) << cell;
}

}  // namespace
}  // namespace experiments
