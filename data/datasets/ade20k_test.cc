// ADE20K's layout: tiny files of ours, and the genuine ones of the format samples where SEGMENTATION_DATA names them.

#include "data/datasets/ade20k.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/open_dataset.h"
#include "data/datasets/submission.h"
#include "data/formats/read_image.h"

namespace data {
namespace {

class Ade20kTest : public LayoutTest {
 protected:
  void WritePair(const std::string& split, const std::string& id, const Values& values, const std::string& root) {
    WriteImage(absl::StrCat(root, "images/", split, "/", id, ".jpg"), 1, static_cast<int>(values.size()));
    Write(absl::StrCat(root, "annotations/", split, "/", id, ".png"),
          LabelFile(values, static_cast<int>(values.size())));
  }
};

TEST_F(Ade20kTest, ValuesBecomeTrainIds) {
  const std::string root = "ADEChallengeData2016/";
  WritePair("training", "ADE_train_00000002", {150, 149}, root);
  WritePair("training", "ADE_train_00000001", {0, 1, 2, 150}, root);
  Image grey(2, 3, 1);
  std::fill(grey.pixels.begin(), grey.pixels.end(), uint8_t{77});
  Write(root + "images/validation/ADE_val_00000001.jpg", EncodeJpeg(grey, 100));
  Write(root + "annotations/validation/ADE_val_00000001.png", LabelFile({1, 2, 3, 4, 5, 6}, 3));
  const auto dataset = OpenDataset("ade20k", root_.string(), "train");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(Ids(**dataset), (std::vector<std::string>{"ADE_train_00000001", "ADE_train_00000002"}));
  EXPECT_EQ(LabelsOf(dataset, 0), (Values{255, 0, 1, 149}));
  EXPECT_EQ(LabelsOf(dataset, 1), (Values{149, 148}));
  const DatasetInfo& info = (*dataset)->info();
  EXPECT_EQ(info.num_classes(), 150);
  EXPECT_EQ(std::set<std::string>(info.class_names.begin(), info.class_names.end()).size(), 150);
  EXPECT_EQ(info.class_names[0], "wall");
  EXPECT_EQ(info.class_names[149], "flag");
  EXPECT_EQ(info.palette[12], (Color{150, 5, 61}));  // person
  EXPECT_EQ(info.palette[149], (Color{92, 0, 255}));
  // A submission has the values of the label files, and the names of the images.
  const Sample sample = *(*dataset)->Load(1);
  ASSERT_TRUE(WriteSubmission(root_.string(), info, sample.id, sample.label).ok());
  EXPECT_EQ(ReadLabelMap((root_ / "ADE_train_00000002.png").string())->values, (Values{150, 149}));

  // The data root may be the folder itself.
  const auto validation = OpenAde20k((root_ / root).string(), "val");
  ASSERT_TRUE(validation.ok()) << validation.status();
  const Sample one_channel = *(*validation)->Load(0);
  EXPECT_EQ(one_channel.image.channels, 3);
  for (const uint8_t value : one_channel.image.pixels) EXPECT_EQ(value, 77);
  EXPECT_EQ(one_channel.label.values, (Values{0, 1, 2, 3, 4, 5}));
}

TEST_F(Ade20kTest, TestImagesHaveNoLabels) {
  WritePair("validation", "ADE_val_00000001", {1}, "ade/ADEChallengeData2016/");
  ExpectError(OpenAde20k(root_.string(), "test").status(), absl::StatusCode::kNotFound,
              {"ADE20K, split 'test'", "release_test/testing"});
  WriteImage("ade/release_test/testing/ADE_test_00000001.jpg");
  for (const std::string root : {"", "/ade"}) {
    const auto test = OpenAde20k(root_.string() + root, "test");
    ASSERT_TRUE(test.ok()) << test.status();
    EXPECT_FALSE((*test)->info().labelled);
    EXPECT_EQ(Ids(**test), (std::vector<std::string>{"ADE_test_00000001"}));
    EXPECT_EQ(LabelsOf(test, 0), (Values{255, 255, 255}));
  }
  // Beside the data root, with and without a slash at its end.
  EXPECT_TRUE(OpenAde20k((root_ / "ade/ADEChallengeData2016").string(), "test").ok());
  EXPECT_TRUE(OpenAde20k((root_ / "ade/ADEChallengeData2016/").string(), "test").ok());
}

TEST_F(Ade20kTest, Errors) {
  ExpectError(OpenAde20k(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {root_.string(), "ADEChallengeData2016/annotations/training"});
  ExpectError(OpenAde20k(root_.string(), "training").status(), absl::StatusCode::kInvalidArgument, {"'training'"});
  WritePair("training", "a", {1, 151}, "");
  WritePair("validation", "b", {255}, "");
  ExpectError((*OpenAde20k(root_.string(), "train"))->Load(0).status(), absl::StatusCode::kInvalidArgument,
              {"annotations/training/a.png", "value 151", "row 0, column 1"});
  ExpectError((*OpenAde20k(root_.string(), "val"))->Load(0).status(), absl::StatusCode::kInvalidArgument,
              {"annotations/validation/b.png", "value 255"});
}

// The releases of the full ADE20K as they unpack, and their label maps put where SceneParsing's belong.
TEST_F(Ade20kTest, TheFullAde20kIsRefused) {
  const std::string colours = EncodePng(Image(1, 3));
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"images/training/a/abbey/ADE_train_00000970.jpg", "images/training/a/abbey/ADE_train_00000970_seg.png"},
       "_seg.png"},
      {{"ADE20K_2016_07_26/index_ade20k.mat"}, "index_ade20k.mat"},
      {{"images/ADE/training/cultural/apse__indoor/ADE_train_00001472_seg.png"}, "images/ADE"},
      {{"ADE20K_2021_17_01/images/ADE/training/x.jpg"}, "ADE20K_2021_17_01/images/ADE"},
      {{"ADEChallengeData2016/images/training/a.jpg", "ADEChallengeData2016/annotations/training/a_seg.png"},
       "annotations/training/*_seg.png"},
      {{"ADEChallengeData2016/images/training/a.jpg", "ADEChallengeData2016/annotations/training/a.png"},
       "annotations/training/a.png' has colours"}};
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string folder = absl::StrCat(i, "/");
    for (const std::string& name : cases[i].first) Write(folder + name, colours);
    ExpectError(OpenDataset("ade20k", (root_ / folder).string(), "train").status(), absl::StatusCode::kInvalidArgument,
                {cases[i].second, "full ADE20K", "SceneParsing-150"});
  }
}

TEST_F(FormatSamples, Ade20k) {
  const std::string root = (samples_ / "ade20k").string();
  const auto training = OpenAde20k(root, "train"), validation = OpenAde20k(root, "val");
  ASSERT_TRUE(training.ok()) << training.status();
  ASSERT_TRUE(validation.ok()) << validation.status();
  // One less than the values in the file.
  EXPECT_EQ(Present(**training), (std::set<int>{0, 3, 4, 5, 12, 17, 31, 32, 42, 43, 87, 96, 104, 125, 138, 149, 255}));
  EXPECT_EQ(Ids(**validation), (std::vector<std::string>{"ADE_val_00000001", "ADE_val_00000002", "ADE_val_00000003"}));
  EXPECT_EQ((*validation)->Load(2)->image.width, 400);
  EXPECT_EQ(Counts(**validation)[255] + 628772, 683 * 512 + 500 * 364 + 400 * 300);
  // The kit's list: "Idx, Ratio, Train, Val, Name", with several names for a class.
  std::ifstream list(samples_ / "ade20k/ADEChallengeData2016/objectInfo150.txt");
  std::string line;
  std::getline(list, line);
  for (const std::string& name : (*training)->info().class_names) {
    ASSERT_TRUE(std::getline(list, line));
    const std::string cell(absl::StripAsciiWhitespace(line.substr(line.rfind('\t') + 1)));
    const std::vector<std::string> names = absl::StrSplit(cell, ", ");
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name << ": " << line;
  }
  // A mask of the full release, and what the kit makes of it.
  Link("full/images/training/a.jpg", "ade20k/ADEChallengeData2016/images/training/ADE_train_00000001.jpg");
  Link("full/annotations/training/a.png", "ade20k/conversion_example/ADE_train_00000970_raw.png");
  ExpectError(OpenAde20k((root_ / "full").string(), "train").status(), absl::StatusCode::kInvalidArgument,
              {"a.png", "full ADE20K"});
}

}  // namespace
}  // namespace data
