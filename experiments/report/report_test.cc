#include "experiments/report/report.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

// Every element is closed in order; what browsers close by themselves (void elements) is listed.
testing::AssertionResult IsBalanced(const std::string& html) {
  const std::set<std::string> void_elements = {"!DOCTYPE", "meta", "img"};
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == std::string::npos) return testing::AssertionFailure() << "unclosed tag at " << at;
    const bool closing = html[at + 1] == '/';
    const size_t name_begin = at + 1 + closing;
    const std::string name = html.substr(name_begin, html.find_first_of(" >/", name_begin) - name_begin);
    if (closing) {
      if (open.empty() || open.back() != name) return testing::AssertionFailure() << "</" << name << "> at " << at;
      open.pop_back();
    } else if (html[end - 1] != '/' && void_elements.count(name) == 0) {
      open.push_back(name);
    }
  }
  return open.empty() ? testing::AssertionSuccess() : testing::AssertionFailure() << open.back() << " is not closed";
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Report FullReport() {
  Report report("A <b>title</b> & more");
  report.AddFacts({{"Data", "embedded \"scenes\""}, {"Preset", "quick"}});
  report.AddCommand("run --preset=quick && echo '<done>'");
  report.AddHeading("Results");
  report.AddParagraph("One < two.");
  report.AddTable({{"method", "mIoU"}, {"PSL <x>", "55.7 ± 0.3"}, {"RSS"}}, "Table 2");
  report.AddCurves("Loss", "step", "nats", {{"a", {0, 1}, {2, 1}}});
  report.AddCurves("mIoU", "step", "percent", {{"a", {0, 1}, {2, 1}}});
  report.AddBars("IoU", {{"sky", 91.25, data::Color{1, 171, 255}}, {"pole", NAN, {}}, {"too much", 130, {}}});
  report.AddPictures({{"image & label", "not really a PNG \x01\xFF"}});
  report.AddSettings({{"steps", "1000"}});
  return report;
}

TEST(ReportTest, IsOneWellFormedPageThatNeedsNothingElse) {
  const std::string html = FullReport().Html();
  EXPECT_TRUE(IsBalanced(html));
  EXPECT_TRUE(IsBalanced(Report("empty").Html()));
  for (const char* outside : {"http:", "https:", "<script", "<link", "@import", "url("}) {
    EXPECT_FALSE(absl::StrContains(html, outside)) << outside;
  }
  Report ends_with_plots("plots");
  ends_with_plots.AddCurves("Loss", "step", "nats", {});
  EXPECT_TRUE(IsBalanced(ends_with_plots.Html()));
}

TEST(ReportTest, TextIsEscaped) {
  const std::string html = FullReport().Html();
  EXPECT_TRUE(absl::StrContains(html, "<h1>A &lt;b&gt;title&lt;/b&gt; &amp; more</h1>"));
  EXPECT_TRUE(absl::StrContains(html, "embedded &quot;scenes&quot;"));
  EXPECT_TRUE(absl::StrContains(html, "echo &#39;&lt;done&gt;&#39;"));
  EXPECT_TRUE(absl::StrContains(html, "<td>PSL &lt;x&gt;</td><td class=\"number\">55.7 ± 0.3</td>"));
}

TEST(ReportTest, NeighbouringPlotsShareAGrid) {
  Report report = FullReport();
  EXPECT_EQ(Count(report.Html(), "<div class=\"plots\">"), 1);
  EXPECT_EQ(Count(report.Html(), "<figure class=\"plot\">"), 2);
  report.AddCurves("Later", "step", "y", {});
  EXPECT_EQ(Count(report.Html(), "<div class=\"plots\">"), 2);
}

TEST(ReportTest, PicturesAreEmbeddedByteForByte) {
  const std::string html = FullReport().Html(), marker = "src=\"data:image/png;base64,";
  const size_t begin = html.find(marker) + marker.size();
  std::string png;
  ASSERT_TRUE(absl::Base64Unescape(html.substr(begin, html.find('"', begin) - begin), &png));
  EXPECT_EQ(png, "not really a PNG \x01\xFF");
  EXPECT_TRUE(absl::StrContains(html, "<figcaption>image &amp; label</figcaption>"));
}

TEST(ReportTest, BarsAreInProportionAndInThePalette) {
  const std::string html = FullReport().Html();
  EXPECT_TRUE(absl::StrContains(html, "width:91.25%;--c:#01abff\"></i></span><span>91.2</span>"));
  EXPECT_TRUE(absl::StrContains(html, "width:0.00%\"></i></span><span>–</span>"));
  EXPECT_TRUE(absl::StrContains(html, "width:100.00%\"></i></span><span>130.0</span>"));
}

TEST(ReportTest, WritesTheFileOrNamesIt) {
  const std::string path = testing::TempDir() + "/report.html";
  ASSERT_TRUE(FullReport().Write(path).ok());
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), FullReport().Html());
  const absl::Status status = FullReport().Write(testing::TempDir() + "/no_such_folder/report.html");
  EXPECT_TRUE(absl::StrContains(status.message(), "no_such_folder")) << status;
}

}  // namespace
}  // namespace experiments
