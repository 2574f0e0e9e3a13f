#include "experiments/report/axis_ticks.h"

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

std::string Ticks(double low, double high, int most) {
  const AxisTicks ticks = MakeAxisTicks(low, high, most);
  return absl::StrJoin(ticks.values, " ",
                       [&](std::string* out, double value) { out->append(FormatTick(value, ticks.step)); });
}

TEST(AxisTicksTest, NiceStepsInsideTheRange) {
  EXPECT_EQ(Ticks(0, 1, 6), "0 0.2 0.4 0.6 0.8 1");
  EXPECT_EQ(Ticks(0, 1, 5), "0 0.5 1");
  EXPECT_EQ(Ticks(0.13, 0.87, 5), "0.2 0.4 0.6 0.8");
  EXPECT_EQ(Ticks(-3, 3, 7), "−3 −2 −1 0 1 2 3");
  EXPECT_EQ(Ticks(0, 40000, 6), "0 10k 20k 30k 40k");
  EXPECT_EQ(Ticks(0, 2000, 5), "0 500 1k 1.5k 2k");
  EXPECT_EQ(Ticks(0, 3e6, 4), "0 1M 2M 3M");
  EXPECT_EQ(Ticks(0.0001, 0.00042, 4), "0.0001 0.0002 0.0003 0.0004");
  EXPECT_EQ(Ticks(1001, 1009, 5), "1002 1004 1006 1008");
  EXPECT_EQ(Ticks(0.0183152, 0.0183162, 4), "1.83155e-02 1.83160e-02");
  EXPECT_EQ(Ticks(-2e-7, 2e-7, 5), "−2e-07 −1e-07 0 1e-07 2e-07");
}

TEST(AxisTicksTest, NeverMoreThanAskedForAndAtLeastHalf) {
  for (double high : {1.0, 1.7, 2.0, 3.3, 4.9, 5.1, 7.0, 9.99}) {
    for (int most = 3; most < 12; ++most) {
      const AxisTicks ticks = MakeAxisTicks(0.0, high, most);
      EXPECT_LE(ticks.values.size(), most);
      EXPECT_GE(ticks.values.size(), 2) << high << " " << most;
      EXPECT_GE(ticks.values.front(), -1e-9);
      EXPECT_LE(ticks.values.back(), high + 1e-9);
    }
  }
}

}  // namespace
}  // namespace experiments
