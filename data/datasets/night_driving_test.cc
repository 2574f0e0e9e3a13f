// The layouts of Dark Zurich's validation split and of Nighttime Driving: tiny files of ours, and the genuine lists of
// the format samples where SEGMENTATION_DATA names them.

#include "data/datasets/night_driving.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/open_dataset.h"

namespace data {
namespace {

std::vector<std::string> Lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

class NightDrivingTest : public LayoutTest {
 protected:
  void WriteZurich(const std::string& stem, const Values& values, const std::string& kind = "labelTrainIds",
                   const std::string& below = "") {
    const std::string folder = "val/night/GOPR0356/";
    WriteImage(absl::StrCat(below, "rgb_anon/", folder, stem, "_rgb_anon.png"));
    Write(absl::StrCat(below, "gt/", folder, stem, "_gt_", kind, ".png"), LabelFile(values, 3));
  }
  void WriteNighttime(const std::string& stem, const Values& values) {
    WriteImage(absl::StrCat("NighttimeDrivingTest/leftImg8bit/test/night/", stem, "_leftImg8bit.png"));
    Write(absl::StrCat("NighttimeDrivingTest/gtCoarse_daytime_trainvaltest/test/night/", stem,
                       "_gtCoarse_labelTrainIds.png"),
          LabelFile(values, 3));
  }
};

TEST_F(NightDrivingTest, DarkZurichByItsList) {
  WriteZurich("GOPR0356_frame_000321", {0, 18, 255});
  WriteZurich("GOPR0356_frame_000324", {13, 10, 1});
  WriteZurich("GOPR0356_frame_000999", {2, 2, 2});
  // What lies beside: the references by day, coloured labels, masks.
  WriteImage("rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000321_ref_rgb_anon.png");
  WriteImage("gt/val/night/GOPR0356/GOPR0356_frame_000321_gt_labelColor.png");
  Write("lists_file_names/val_filenames.txt",
        "val/night/GOPR0356/GOPR0356_frame_000324\nnight/GOPR0356/GOPR0356_frame_000321\n");
  const auto val = OpenDataset("dark_zurich", root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ(Ids(**val), (std::vector<std::string>{"GOPR0356_frame_000324", "GOPR0356_frame_000321"}));
  EXPECT_EQ(LabelsOf(val, 0), (Values{13, 10, 1}));
  EXPECT_EQ(LabelsOf(val, 1), (Values{0, 18, 255}));
  const DatasetInfo& info = (*val)->info();
  EXPECT_EQ(info.num_classes(), 19);
  EXPECT_EQ(info.name, "dark_zurich");
  EXPECT_EQ(info.class_names[18], "bicycle");
  EXPECT_EQ(info.stored_values[18], 18);
  EXPECT_TRUE(info.labelled);
  ExpectError(OpenDarkZurich(root_.string(), "train").status(), absl::StatusCode::kNotFound, {"'train'", "only val"});
  Write("lists_file_names/val_filenames.txt", "val/night/GOPR0356/GOPR0356_frame_000777\n");
  ExpectError(OpenDarkZurich(root_.string(), "val").status(), absl::StatusCode::kNotFound,
              {"GOPR0356_frame_000777_rgb_anon.png"});
}

TEST_F(NightDrivingTest, DarkZurichWithoutItsListAndWithLabelIds) {
  WriteZurich("GOPR0356_frame_000321", {7, 33, 4}, "labelIds", "dark_zurich/");
  const auto val = OpenDarkZurich(root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ(Ids(**val), (std::vector<std::string>{"GOPR0356_frame_000321"}));
  EXPECT_EQ(LabelsOf(val, 0), (Values{0, 18, 255}));
  EXPECT_EQ((*val)->info().stored_values[18], 33);
}

TEST_F(NightDrivingTest, NighttimeDriving) {
  WriteNighttime("01_frame_0555", {0, 11, 255});
  WriteNighttime("02_frame_0001", {18, 8, 8});
  const auto test = OpenDataset("nighttime_driving", root_.string(), "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_EQ(Ids(**test), (std::vector<std::string>{"01_frame_0555", "02_frame_0001"}));
  EXPECT_EQ(LabelsOf(test, 0), (Values{0, 11, 255}));
  EXPECT_EQ(LabelsOf(test, 1), (Values{18, 8, 8}));
  EXPECT_TRUE((*test)->info().labelled);
  EXPECT_EQ((*test)->info().num_classes(), 19);
  EXPECT_EQ((*OpenNighttimeDriving((root_ / "NighttimeDrivingTest").string(), "test"))->size(), 2);
  ExpectError(OpenNighttimeDriving(root_.string(), "val").status(), absl::StatusCode::kNotFound,
              {"'val'", "only test"});
}

// The 50 stems that the public lists have, as the packages name their files.
TEST_F(FormatSamples, NightListsAreRead) {
  const std::vector<std::string> zurich = Lines(samples_ / "dark_zurich/lists_file_names/val_stems.txt"),
                                 nighttime = Lines(samples_ / "nighttime_driving/test_stems.txt");
  ASSERT_EQ(zurich.size(), 50u);
  ASSERT_EQ(nighttime.size(), 50u);
  const std::string image = EncodePng(Image(1, 2)), label = LabelFile({0, 1}, 2);
  for (const std::string& stem : zurich) {
    Write(absl::StrCat("rgb_anon/val/", stem, "_rgb_anon.png"), image);
    Write(absl::StrCat("gt/val/", stem, "_gt_labelTrainIds.png"), label);
  }
  Link("lists_file_names/val_filenames.txt", "dark_zurich/lists_file_names/val_stems.txt");
  const auto val = OpenDarkZurich(root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ((*val)->size(), 50);
  for (const std::string& stem : nighttime) {
    Write(absl::StrCat("leftImg8bit/test/night/", stem, "_leftImg8bit.png"), image);
    Write(absl::StrCat("gtCoarse_daytime_trainvaltest/test/night/", stem, "_gtCoarse_labelTrainIds.png"), label);
  }
  const auto test = OpenNighttimeDriving(root_.string(), "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_EQ(Ids(**test), [&] {
    std::vector<std::string> sorted = nighttime;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }());
}

}  // namespace
}  // namespace data
