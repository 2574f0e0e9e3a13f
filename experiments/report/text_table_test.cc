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

TEST(TextTableTest, LongTablesStandSideBySide) {
  const TableRows rows = {{"k", "n"}, {"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", "5"}};
  EXPECT_EQ(SideBySide(rows, /*lines=*/5), rows);
  const TableRows two = {{"k", "n", "k", "n"}, {"a", "1", "d", "4"}, {"b", "2", "e", "5"}, {"c", "3"}};
  EXPECT_EQ(SideBySide(rows, /*lines=*/4), two);
  EXPECT_EQ(SideBySide(rows, /*lines=*/3), two);
  const TableRows three = {{"k", "n", "k", "n", "k", "n"}, {"a", "1", "c", "3", "e", "5"}, {"b", "2", "d", "4"}};
  EXPECT_EQ(SideBySide(rows, /*lines=*/2), three);
  // Three pieces are 16 columns wide, two are 10.
  EXPECT_EQ(SideBySide(rows, /*lines=*/2, /*width=*/16), three);
  EXPECT_EQ(SideBySide(rows, /*lines=*/2, /*width=*/15), two);
  EXPECT_EQ(SideBySide(rows, /*lines=*/2, /*width=*/9), rows);
  EXPECT_EQ(SideBySide(rows, /*lines=*/2, /*width=*/1), rows);
  // A short row stays in its own piece.
  EXPECT_EQ(SideBySide({{"k", "n"}, {"a"}, {"b", "2"}}, /*lines=*/1),
            (TableRows{{"k", "n", "k", "n"}, {"a", "", "b", "2"}}));
  EXPECT_EQ(SideBySide({{"k"}}), TableRows({{"k"}}));
}

TEST(TextTableTest, WhatLooksNumeric) {
  for (const char* cell : {"", "–", "12", "-0.3", "+1", ".5", "37 %", "1.2 M", "1e-4", "55.75 ± 0.31", "×3", "nan"}) {
    EXPECT_TRUE(LooksNumeric(cell)) << cell;
  }
  for (const char* cell : {"PSL", "2 scales", "road", "{4,8}", "e"}) EXPECT_FALSE(LooksNumeric(cell)) << cell;
}

}  // namespace
}  // namespace experiments
