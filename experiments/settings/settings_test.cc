#include "experiments/settings/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "autograd/runtime/atomic_file.h"
#include "autograd/runtime/error.h"
#include "experiments/settings/arguments.h"
#include "experiments/settings/identity.h"

namespace experiments {
namespace {

enum class Colour { kRed, kBlue };
bool AbslParseFlag(absl::string_view text, Colour* colour, std::string* error) {
  if (text == "red") return *colour = Colour::kRed, true;
  if (text == "blue") return *colour = Colour::kBlue, true;
  *error = "choose red or blue";
  return false;
}
std::string AbslUnparseFlag(Colour colour) { return colour == Colour::kRed ? "red" : "blue"; }

struct Options {
  int64_t steps = 10;
  double rate = 0.1;
  bool flip = false;
  std::string name = "none";
  std::optional<double> share;
  std::optional<bool> average;
  std::vector<int> scales = {8, 4};
  Colour colour = Colour::kRed;
  std::string root;
  int threads = 0;

  void Settings(SettingVisitor& visitor) {
    visitor.Group("training");
    visitor.Setting("steps", steps, "training steps", AtLeast(1)).Role(SettingRole::kLength);
    visitor.Setting("rate", rate, "of learning", Above(0));
    visitor.Setting("flip", flip, "mirror images");
    visitor.Group("data");
    visitor.Setting("name", name, "of the run");
    visitor.Setting("share", share, "of cells", Below(0, 1));
    visitor.Setting("average", average, "as the data's numbers do; or not");
    visitor.Setting("reward_scales", scales, "pixels a cell", AtLeast(1)).Formerly("scales");
    visitor.Setting("colour", colour, "red or blue");
    visitor.Path("root", root, "folder of the files");
    visitor.Group("execution");
    visitor.Setting("threads", threads, "0: all cores", AtLeast(0)).Role(SettingRole::kFree);
  }
};

absl::Status Read(Options& options, std::vector<const char*> arguments, std::vector<std::string>* notes = nullptr) {
  SettingVisitor visitor;
  options.Settings(visitor);
  const absl::StatusOr<Arguments> parsed = ParseArguments(arguments, visitor);
  if (!parsed.ok()) return parsed.status();
  if (absl::Status status = Apply(parsed->assignments, visitor, notes); !status.ok()) return status;
  return CheckBounds(visitor);
}

std::string ErrorOf(std::vector<const char*> arguments) {
  Options options;
  const absl::Status status = Read(options, std::move(arguments));
  EXPECT_TRUE(IsWrongFlag(status)) << status;
  return std::string(status.message());
}

TEST(SettingsTest, EveryKindOfValueIsRead) {
  Options options;
  std::vector<std::string> notes;
  ASSERT_TRUE(Read(options,
                   {"--steps=20", "-rate", "0.25", "--flip", "--name=a b, ü", "--share=0.5", "--scales=4,2,1",
                    "--colour=blue", "--threads=3", "--steps=30"},
                   &notes)
                  .ok());
  EXPECT_EQ(options.steps, 30);  // the last one counts
  EXPECT_EQ(options.rate, 0.25);
  EXPECT_TRUE(options.flip);
  EXPECT_EQ(options.name, "a b, ü");
  EXPECT_EQ(options.share, 0.5);
  EXPECT_EQ(options.scales, (std::vector<int>{4, 2, 1}));
  EXPECT_EQ(options.colour, Colour::kBlue);
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(notes, std::vector<std::string>{"--scales is called --reward_scales now"});
  EXPECT_FALSE(options.average.has_value());
  ASSERT_TRUE(Read(options, {"--noflip", "--share=", "--average"}).ok());
  EXPECT_EQ(options.average, true);
  ASSERT_TRUE(Read(options, {"--noaverage"}).ok());
  EXPECT_EQ(options.average, false);
  EXPECT_FALSE(options.flip);
  EXPECT_FALSE(options.share.has_value());
}

TEST(SettingsTest, AWrongFlagIsNamed) {
  EXPECT_EQ(ErrorOf({"--stepz=3"}), "unknown flag --stepz; did you mean --steps?");
  EXPECT_EQ(ErrorOf({"--reward_scale=3"}), "unknown flag --reward_scale; did you mean --reward_scales?");
  EXPECT_EQ(ErrorOf({"--elephants=3"}), "unknown flag --elephants; --help lists the flags");
  EXPECT_EQ(ErrorOf({"stray"}), "unexpected argument 'stray' (flags look like --name=value)");
  EXPECT_EQ(ErrorOf({"--steps"}), "--steps lacks its value: --steps=…");
  EXPECT_EQ(ErrorOf({"--steps", "--flip"}), "--steps lacks its value: --steps=…");
  EXPECT_TRUE(absl::StrContains(ErrorOf({"--steps=many"}), "'many' is no value of --steps"));
  EXPECT_TRUE(absl::StrContains(ErrorOf({"--colour=green"}), "choose red or blue"));
  EXPECT_TRUE(absl::StrContains(ErrorOf({"--scales=8,x"}), "'x'"));
  EXPECT_EQ(ErrorOf({"--steps=0"}), "--steps=0 must be at least 1");
  EXPECT_EQ(ErrorOf({"--rate=0"}), "--rate=0 must be above 0");
  EXPECT_EQ(ErrorOf({"--rate=nan"}), "--rate=nan must be above 0");
  EXPECT_EQ(ErrorOf({"--share=1"}), "--share=1 must be in [0, 1)");
  EXPECT_EQ(ErrorOf({"--reward_scales=4,0"}), "--reward_scales=4,0 must be at least 1");
}

TEST(SettingsTest, AFileRepeatsTheSettings) {
  Options options;
  options.steps = 7;
  options.rate = 1.0 / 3;
  options.name = "two\nlines = # and \"quotes\", ü";
  options.share = 1e-9;
  options.colour = Colour::kBlue;
  SettingVisitor visitor;
  options.Settings(visitor);
  const std::string path = ::testing::TempDir() + "/settings";
  ASSERT_TRUE(autograd::WriteFileAtomically(path, SettingsText(visitor, "a run")).ok());
  Options again;
  SettingVisitor other;
  again.Settings(other);
  const absl::StatusOr<std::vector<Assignment>> read = ReadSettingsFile(path, other);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_TRUE(Apply(*read, other).ok());
  EXPECT_EQ(SettingsText(other, "a run"), SettingsText(visitor, "a run"));
  EXPECT_EQ(again.rate, options.rate);
  EXPECT_EQ(again.name, options.name);

  ASSERT_TRUE(autograd::WriteFileAtomically(path, "# a comment\n\nstep=3\n").ok());
  const absl::Status status = ReadSettingsFile(path, other).status();
  EXPECT_TRUE(
      absl::StrContains(status.message(), path + ":3: step=3: there is no setting 'step'; did you mean --steps?"))
      << status;
}

TEST(SettingsTest, IdentityLooksAtTheRole) {
  Options options;
  SettingVisitor visitor;
  options.Settings(visitor);
  std::vector<std::pair<std::string, std::string>> before;
  for (const SettingValue& value : ValuesOf(visitor)) before.push_back({value.name, value.value});
  ASSERT_TRUE(Read(options, {"--steps=3", "--rate=2", "--threads=2"}).ok());
  const SettingValues now = ValuesOf(visitor);
  EXPECT_EQ(ToString(Differences(before, now, SettingRole::kResult)), "--rate is 0.1 there, 2 here");
  EXPECT_EQ(ToString(Differences(before, now, SettingRole::kLength)),
            "--steps is 10 there, 3 here; --rate is 0.1 there, 2 here");
  before.erase(before.begin());
  EXPECT_EQ(Differences(before, now, SettingRole::kLength)[0].before, "not known");
}

TEST(SettingsTest, PathsStartAtHomeAndWhereTheCommandWasTyped) {
  setenv("HOME", "/home/somebody", 1);
  setenv("BUILD_WORKING_DIRECTORY", "/typed/here", 1);
  EXPECT_EQ(ResolvePath("~/runs"), "/home/somebody/runs");
  EXPECT_EQ(ResolvePath("~"), "/home/somebody");
  EXPECT_EQ(ResolvePath("~nobody_of_that_name/x"), "/typed/here/~nobody_of_that_name/x");
  EXPECT_EQ(ResolvePath("a/../b/"), "/typed/here/b");
  EXPECT_EQ(ResolvePath("/data/"), "/data");
  EXPECT_EQ(ResolvePath(""), "");
  Options options;
  ASSERT_TRUE(Read(options, {"--root=~/data"}).ok());
  EXPECT_EQ(options.root, "/home/somebody/data");
  unsetenv("BUILD_WORKING_DIRECTORY");
}

TEST(SettingsTest, OfTwoNamesForALengthTheLastOneCounts) {
  int64_t steps = 10;
  double epochs = 30;  // as a preset may have it
  SettingVisitor visitor;
  visitor.Setting("steps", steps, "training steps", AtLeast(1));
  visitor.Setting("epochs", epochs, "in the place of --steps", AtLeast(0)).InPlaceOf("steps");
  const auto assign = [&](const char* name, const char* text) {
    const Assignment assignment{name, text, ""};
    ASSERT_TRUE(Apply({assignment}, visitor).ok());
  };
  assign("steps", "20");
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(epochs, 0);
  assign("epochs", "2");
  EXPECT_EQ(epochs, 2);
  // A file has both, in the order of the visit.
  const std::string file = testing::TempDir() + "/lengths";
  ASSERT_TRUE(autograd::WriteFileAtomically(file, SettingsText(visitor, "Settings.")).ok());
  const absl::StatusOr<std::vector<Assignment>> saved = ReadSettingsFile(file, visitor);
  ASSERT_TRUE(saved.ok()) << saved.status();
  assign("steps", "7");
  ASSERT_TRUE(Apply(*saved, visitor).ok());
  EXPECT_EQ(steps, 20);
  EXPECT_EQ(epochs, 2);
}

TEST(SettingsTest, ANameIsTakenOnce) {
  int value = 0;
  SettingVisitor visitor;
  visitor.Setting("value", value, "");
  EXPECT_THROW(visitor.Setting("value", value, ""), autograd::Error);
}

TEST(SettingsTest, HelpShowsValuesByGroup) {
  Options options;
  SettingVisitor visitor;
  options.Settings(visitor);
  const std::string text = HelpText(visitor);
  EXPECT_TRUE(absl::StartsWith(text, "training\n  --steps=10"));
  EXPECT_TRUE(absl::StrContains(text, "\n\ndata\n  --name=none"));
  EXPECT_TRUE(absl::StrContains(text, "  --reward_scales=8,4             pixels a cell\n"));
}

}  // namespace
}  // namespace experiments
