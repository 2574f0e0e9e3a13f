#include "experiments/report/progress.h"

#include <cmath>
#include <sstream>

#include "absl/strings/match.h"
#include "experiments/report/display_width.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

const ProgressState kState = {1480, 4000, 12.5, {{"loss", 0.43123}, {"reward", 0.71}, {"mIoU", 0.652}}};

TEST(ProgressLineTest, PlainLineHasAllFields) {
  EXPECT_EQ(FormatProgressLine(kState, 0),
            " 37 %  1480/4000  loss 0.431  reward 0.710  mIoU 0.652  12.5 steps/s  3:22 left");
}

TEST(ProgressLineTest, NeverWiderThanTheTerminalAndNeverCutMidField) {
  for (int width = 5; width < 160; ++width) {
    const std::string line = FormatProgressLine(kState, width);
    EXPECT_LE(DisplayWidth(line), width) << line;
    EXPECT_TRUE(absl::StartsWith(line, " 37 %")) << line;
  }
}

TEST(ProgressLineTest, DropsTheLeastImportantFirst) {
  EXPECT_TRUE(absl::StrContains(FormatProgressLine(kState, 120), "█"));
  const std::string narrow = FormatProgressLine(kState, 60);
  EXPECT_EQ(narrow, " 37 %  loss 0.431  reward 0.710  mIoU 0.652  3:22 left");
  EXPECT_EQ(FormatProgressLine(kState, 30), " 37 %  loss 0.431  3:22 left");
  EXPECT_EQ(FormatProgressLine(kState, 6), " 37 %");
}

TEST(ProgressLineTest, Numbers) {
  const auto line = [](ProgressState state) { return FormatProgressLine(state, 0); };
  EXPECT_EQ(line({3999, 4000, 0.0, {}}), " 99 %  3999/4000");
  EXPECT_EQ(line({0, 0, 0.0, {}}), "100 %  0/0");
  EXPECT_EQ(line({1, 5, 0.25, {{"loss", 0.0001234}}}), " 20 %  1/5  loss 0.000123  4.0 s/step  0:16 left");
  EXPECT_EQ(line({0, 7200, 1.0, {{"mIoU", std::nan("")}}}), "  0 %  0/7200  1.0 steps/s  2:00:00 left");
  EXPECT_EQ(line({0, 360000, 1.0, {{"loss", 12345.6}}}), "  0 %  0/360000  loss 12346  1.0 steps/s  4 d 04 h left");
}

TEST(ProgressLineTest, BarIsProportional) {
  const std::string half = FormatProgressLine({1, 2, 0.0, {}}, 5 + 1 + 10 + 2 + 3);
  EXPECT_EQ(half, " 50 % █████       1/2");
}

// A clock that the test moves and a terminal whose width it sets.
struct Fixture {
  absl::Time now = absl::UnixEpoch();
  int width = 0;
  std::ostringstream out;
  Progress::Options options() {
    return {.terminal_width = [this] { return width; }, .clock = [this] { return now; }};
  }
};

TEST(ProgressTest, PlainLinesOnlyNowAndThen) {
  Fixture fixture;
  {
    Progress progress(0, 100, &fixture.out, fixture.options());
    for (int step = 1; step <= 100; ++step) {
      fixture.now += absl::Seconds(1);
      progress.Update(step, {{"loss", 1.0}});
    }
    progress.Print("done");
  }
  EXPECT_EQ(fixture.out.str(),
            "  1 %  1/100  loss 1.000  1.0 steps/s  1:39 left\n"
            " 31 %  31/100  loss 1.000  1.0 steps/s  1:09 left\n"
            " 61 %  61/100  loss 1.000  1.0 steps/s  0:39 left\n"
            " 91 %  91/100  loss 1.000  1.0 steps/s  0:09 left\n"
            "100 %  100/100  loss 1.000  1.0 steps/s\n"
            "done\n");
}

TEST(ProgressTest, TerminalRedrawsOneLine) {
  Fixture fixture;
  fixture.width = 21;
  Progress progress(0, 10, &fixture.out, fixture.options());
  progress.Update(1, {});
  progress.Update(2, {});  // The same instant: nothing to draw yet.
  EXPECT_EQ(fixture.out.str(), " 10 % ▊         1/10");
  progress.Print("note");
  progress.Finish();
  progress.Finish();
  EXPECT_EQ(fixture.out.str(), " 10 % ▊         1/10\r\x1B[Knote\n 20 % █▌        2/10\n");
}

TEST(ProgressTest, RateCountsFromTheResumedStepAndFollowsAChange) {
  Fixture fixture;
  Progress progress(5000, 10000, &fixture.out, fixture.options());
  const auto run = [&](int from, int to, absl::Duration step_time) {
    for (int step = from; step <= to; ++step) {
      fixture.now += step_time;
      progress.Update(step, {});
    }
  };
  run(5001, 5031, absl::Seconds(1));
  EXPECT_TRUE(absl::EndsWith(fixture.out.str(), "5031/10000  1.0 steps/s  1:22:49 left\n")) << fixture.out.str();
  run(5032, 7000, absl::Milliseconds(100));
  EXPECT_TRUE(absl::StrContains(fixture.out.str(), "10.0 steps/s")) << fixture.out.str();
}

TEST(ProgressTest, UnfinishedRunShowsWhereItStopped) {
  Fixture fixture;
  {
    Progress progress(0, 10, &fixture.out, fixture.options());
    progress.Update(1, {});
    progress.Update(4, {});
  }
  EXPECT_EQ(fixture.out.str(), " 10 %  1/10\n 40 %  4/10\n");
}

}  // namespace
}  // namespace experiments
