#include "experiments/runner/data_options.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "data/datasets/open_dataset.h"
#include "data/formats/png.h"
#include "gtest/gtest.h"

namespace experiments {
namespace {

// A frame of Cityscapes in each of its labelled splits, and a test frame.
std::string WriteCityscapes() {
  const std::filesystem::path root = std::filesystem::path(::testing::TempDir()) / "cityscapes_root";
  for (const std::string split : {"train", "val", "test"}) {
    const std::filesystem::path images = root / "leftImg8bit" / split / "ulm", labels = root / "gtFine" / split / "ulm";
    std::filesystem::create_directories(images);
    std::filesystem::create_directories(labels);
    EXPECT_TRUE(data::WritePng((images / "ulm_000000_000001_leftImg8bit.png").string(), data::Image(128, 256)).ok());
    EXPECT_TRUE(
        data::WriteLabelPng((labels / "ulm_000000_000001_gtFine_labelIds.png").string(), data::LabelMap(128, 256, 7))
            .ok());
  }
  return root.string();
}

TEST(DataOptionsTest, PublishedSettings) {
  DataOptions options;
  options.name = "cityscapes";
  options.root = WriteCityscapes();
  options.crop = 0;
  const absl::StatusOr<OpenedData> opened = OpenData(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->crop_height, 512);
  EXPECT_EQ(opened->crop_width, 1024);
  EXPECT_TRUE(opened->inference.average_logits);
  EXPECT_EQ(opened->description,
            "cityscapes, 19 classes, 1 training and 1 validation images, crops of 1024×512 at 1 of full size");
  // Half to double the frame, cut to the crop; only the brightness changes, so a grey image stays grey.
  data::Sample sample = *opened->training->Load(0);
  std::fill(sample.image.pixels.begin(), sample.image.pixels.end(), uint8_t{100});
  opened->augmentation.Apply(autograd::RandomKey(1), sample);
  EXPECT_LE(sample.image.height, 512);
  EXPECT_LE(sample.image.width, 1024);
  for (const uint8_t value : sample.image.pixels) ASSERT_EQ(value, sample.image.pixels[0]);
  EXPECT_EQ(PublishedCrop("voc2012_aug").width, 512);
}

TEST(DataOptionsTest, EveryDatasetHasARecipe) {
  for (const std::string& name : data::DatasetNames()) EXPECT_GT(PublishedCrop(name).height, 0) << name;
}

// A person's arms change sides with the image; images leave their ratio, in training and for scores.
TEST(DataOptionsTest, HumanParsingHasItsOwnProtocol) {
  const std::filesystem::path root = std::filesystem::path(::testing::TempDir()) / "lip_root";
  for (const std::string split : {"train", "val"}) {
    std::filesystem::create_directories(root / (split + "_images"));
    std::filesystem::create_directories(root / (split + "_segmentations"));
    // A left arm on the left of the image, the background elsewhere.
    data::LabelMap label(40, 30);
    for (int y = 0; y < 40; ++y) std::fill_n(label.Row(y), 10, uint8_t{14});
    EXPECT_TRUE(data::WritePng((root / (split + "_images") / "1_2.png").string(), data::Image(40, 30)).ok());
    EXPECT_TRUE(data::WriteLabelPng((root / (split + "_segmentations") / "1_2.png").string(), label).ok());
  }
  DataOptions options;
  options.name = "lip";
  options.root = root.string();
  options.crop = 0;
  const absl::StatusOr<OpenedData> opened = OpenData(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->crop_height, 473);
  EXPECT_EQ(opened->inference.size, (std::vector<int>{473, 473}));
  EXPECT_TRUE(opened->inference.average_logits);
  EXPECT_EQ(opened->inference.mirrored_classes[14], 15);
  int mirrored = 0;
  for (uint64_t i = 0; i < 12; ++i) {
    data::Sample sample = *opened->training->Load(0);
    opened->augmentation.Apply(autograd::RandomKey(i), sample);
    const bool left =
        std::find(sample.label.values.begin(), sample.label.values.end(), 14) != sample.label.values.end();
    const bool right =
        std::find(sample.label.values.begin(), sample.label.values.end(), 15) != sample.label.values.end();
    EXPECT_NE(left, right);
    // The arm is where it was, or else it is the other one: a third of the image, at its left or right border.
    EXPECT_EQ(sample.label.Row(0)[right ? sample.label.width - 1 : 0], right ? 15 : 14);
    mirrored += right;
  }
  EXPECT_GT(mirrored, 0);
  EXPECT_LT(mirrored, 12);
}

TEST(DataOptionsTest, ScoredSplits) {
  EXPECT_EQ(ScoredSplit("cityscapes"), "val");
  EXPECT_EQ(ScoredSplit("dark_zurich"), "val");
  EXPECT_EQ(ScoredSplit("nighttime_driving"), "test");
  EXPECT_EQ(ScoredSplit("camvid_dusk"), "test");
}

TEST(DataOptionsTest, ScenesInAnotherLightAndTheirThings) {
  DataOptions options;
  SettingVisitor visitor;
  options.Settings(visitor);
  std::string error;
  ASSERT_TRUE(visitor.FindFlag("scene_light")->parse("haze", error));
  EXPECT_FALSE(visitor.FindFlag("scene_light")->parse("fog", error));
  EXPECT_EQ(error, "choose day, night, haze or other");
  ASSERT_TRUE(visitor.FindFlag("scene_things")->parse("true", error));
  const absl::StatusOr<OpenedData> opened = OpenData(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->description, "embedded scenes (haze), 64×64, 4 classes, endless training images");
  options.scene_light = data::SceneLight::kDay;
  const absl::StatusOr<EvaluationData> day = OpenEvaluationData(options, "val");
  ASSERT_TRUE(day.ok());
  const data::Sample in_haze = *opened->validation->Load(3), by_day = *day->dataset->Load(3);
  EXPECT_EQ(in_haze.label, by_day.label);
  EXPECT_NE(in_haze.image, by_day.image);
}

TEST(DataOptionsTest, OneSplitAlone) {
  DataOptions options;
  options.name = "cityscapes";
  options.root = WriteCityscapes();
  const absl::StatusOr<EvaluationData> test = OpenEvaluationData(options, "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_FALSE(test->dataset->info().labelled);
  EXPECT_FALSE(OpenEvaluationData(options, "nothing").ok());
}

TEST(DataOptionsTest, ErrorsNameTheFlag) {
  const auto message = [](const DataOptions& options) { return std::string(OpenData(options).status().message()); };
  DataOptions options;
  options.name = "imagenet";
  EXPECT_NE(message(options).find("--dataset=imagenet"), std::string::npos);
  EXPECT_NE(message(options).find("cityscapes"), std::string::npos);
  options.name = "mapillary";
  EXPECT_NE(message(options).find("--data_root"), std::string::npos);
  options.name = "scenes";
  options.crop = 50;
  EXPECT_NE(message(options).find("--crop=50"), std::string::npos);
}

}  // namespace
}  // namespace experiments
