#include "experiments/report/curve_plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "autograd/runtime/error.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

// The points of every <polyline> of a class, in drawing order.
std::vector<std::vector<std::pair<double, double>>> Polylines(const std::string& html, const std::string& kind) {
  std::vector<std::vector<std::pair<double, double>>> lines;
  const std::string opening = "<polyline class=\"" + kind + "\"";
  for (size_t at = html.find(opening); at != std::string::npos; at = html.find(opening, at + 1)) {
    const size_t begin = html.find("points=\"", at) + 8;
    const std::string points = html.substr(begin, html.find('"', begin) - begin);
    std::istringstream in(absl::StrReplaceAll(points, {{",", " "}}));
    lines.emplace_back();
    for (double x, y; in >> x >> y;) lines.back().emplace_back(x, y);
  }
  return lines;
}

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(CurvePlotTest, LinesAreToScaleAndInsideTheFrame) {
  const auto lines = Polylines(CurvePlotHtml({"t", "x", "y", {{"a", {0, 50, 100}, {0, 1, 2}}}}), "solid");
  ASSERT_EQ(lines.size(), 1);
  ASSERT_EQ(lines[0].size(), 3);
  EXPECT_NEAR(lines[0][1].first, (lines[0][0].first + lines[0][2].first) / 2, 0.11);
  EXPECT_NEAR(lines[0][1].second, (lines[0][0].second + lines[0][2].second) / 2, 0.11);
  EXPECT_GT(lines[0][0].second, lines[0][2].second);  // The y axis of SVG points down.
  for (const auto& [x, y] : lines[0]) {
    EXPECT_TRUE(x >= 0 && x <= 540) << x;
    EXPECT_TRUE(y >= 0 && y <= 300) << y;
  }
}

TEST(CurvePlotTest, MissingValuesBreakTheLineAndLonePointsShow) {
  const std::string html = CurvePlotHtml({"t", "x", "y", {{"a", {0, 1, 2, 3, 4, 5}, {1, 2, NAN, 3, INFINITY, 4}}}});
  EXPECT_EQ(Polylines(html, "solid").size(), 1);
  EXPECT_EQ(Count(html, "<circle"), 2);
  EXPECT_FALSE(absl::StrContains(html, "nan"));
  EXPECT_FALSE(absl::StrContains(html, "inf"));
  EXPECT_TRUE(absl::StrContains(html, "<b>4</b>"));
}

TEST(CurvePlotTest, LongNoisySeriesKeepTheirExtremesAndGetAnAverage) {
  Series series = {"loss", {}, {}};
  for (int i = 0; i < 20000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i % 2 == 0 ? 1.0 : -1.0);
  }
  series.y[777] = -10.0;
  series.y[15000] = 10.0;
  const std::string html = CurvePlotHtml({"t", "x", "y", {series}});
  EXPECT_LT(html.size(), 30000);
  const auto noise = Polylines(html, "noise"), line = Polylines(html, "solid");
  ASSERT_EQ(noise.size(), 1);
  ASSERT_EQ(line.size(), 1);
  const auto range = [](const auto& points) {
    const auto [low, high] = std::minmax_element(points.begin(), points.end(),
                                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    return high->second - low->second;
  };
  EXPECT_NEAR(range(noise[0]), 246 / 1.08, 1.0);  // The frame is 246 high, with 4 % free above and below.
  EXPECT_LT(range(line[0]), 30.0);
  EXPECT_TRUE(absl::StrContains(html, "moving average of 501"));
}

TEST(CurvePlotTest, BandsReferencesAndAwkwardRanges) {
  const std::string html = CurvePlotHtml(
      {"t", "x", "y", {{"mean", {1, 2}, {5, 6}, {1, 1}}, {"reference", {1, 2}, {5, 5}, {}, /*dashed=*/true}}});
  EXPECT_EQ(Count(html, "<polygon"), 1);
  EXPECT_EQ(Polylines(html, "dashed").size(), 1);
  for (const CurvePlot& plot :
       {CurvePlot{"none", "x", "y", {}}, CurvePlot{"empty", "x", "y", {{"a", {}, {}}}},
        CurvePlot{"flat", "x", "y", {{"a", {3, 4}, {7, 7}}}}, CurvePlot{"point", "x", "y", {{"a", {3}, {0}}}}}) {
    const std::string html = CurvePlotHtml(plot);
    EXPECT_FALSE(absl::StrContains(html, "nan")) << html;
    EXPECT_TRUE(absl::StrContains(html, "</svg></figure>"));
  }
}

TEST(CurvePlotTest, ASeriesKeepsItsColourInEveryPlot) {
  Series first{"a", {0, 1}, {0, 1}}, second{"b", {0, 1}, {1, 0}};
  second.color = 5;
  const std::string html = CurvePlotHtml({"t", "x", "y", {second, first}});
  EXPECT_EQ(Count(html, "--c:var(--series-5)"), 2);  // legend and line
  EXPECT_EQ(Count(html, "--c:var(--series-1)"), 2);  // by place
}

// Nine series have eight colours: the ninth is told from the first by its line.
TEST(CurvePlotTest, NoTwoSeriesLookTheSame) {
  CurvePlot plot{"t", "x", "y", {}};
  for (int i = 0; i < 9; ++i) plot.series.push_back({absl::StrCat(i), {0, 1}, {0, 1.0 * i}});
  const std::string html = CurvePlotHtml(plot);
  EXPECT_EQ(Polylines(html, "solid").size(), 8);
  EXPECT_EQ(Polylines(html, "dotted").size(), 1);
  EXPECT_EQ(Count(html, "--c:var(--series-0)"), 4);  // legend and line of both
  EXPECT_EQ(Count(html, "<i class=\"dotted\""), 1);
}

TEST(CurvePlotTest, UnequalLengthsThrow) {
  EXPECT_THROW(CurvePlotHtml({"t", "x", "y", {{"a", {1, 2}, {1}}}}), autograd::Error);
  EXPECT_THROW(CurvePlotHtml({"t", "x", "y", {{"a", {1, 2}, {1, 2}, {1}}}}), autograd::Error);
}

}  // namespace
}  // namespace experiments
