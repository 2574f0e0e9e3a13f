#include "experiments/report/statistics.h"

#include <cmath>

#include "gtest/gtest.h"

namespace experiments {
namespace {

TEST(StatisticsTest, MeanAndSampleDeviation) {
  // Sum of squared distances from 5 is 32, over seven degrees of freedom.
  const MeanAndDeviation summary = Summarize({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(summary.count, 8);
  EXPECT_DOUBLE_EQ(summary.mean, 5.0);
  EXPECT_DOUBLE_EQ(summary.deviation, std::sqrt(32.0 / 7.0));
}

TEST(StatisticsTest, SmallDeviationOfLargeValuesDoesNotCancel) {
  EXPECT_DOUBLE_EQ(Summarize({1e9 + 1, 1e9 + 2, 1e9 + 3}).deviation, 1.0);
}

TEST(StatisticsTest, FewValues) {
  EXPECT_EQ(Summarize({3.5}).deviation, 0.0);
  EXPECT_TRUE(std::isnan(Summarize({}).mean));
}

TEST(StatisticsTest, Format) {
  EXPECT_EQ(FormatMeanAndDeviation(Summarize({55.5, 56.0}), 2), "55.75 ± 0.35");
  EXPECT_EQ(FormatMeanAndDeviation(Summarize({55.75}), 1), "55.8");
  EXPECT_EQ(FormatMeanAndDeviation(Summarize({}), 1), "–");
}

}  // namespace
}  // namespace experiments
