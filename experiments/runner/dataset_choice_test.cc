#include "experiments/runner/dataset_choice.h"

#include <algorithm>
#include <filesystem>
#include <string>

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

TEST(DatasetChoiceTest, PublishedSettings) {
  DatasetChoice choice;
  choice.name = "cityscapes";
  choice.root = WriteCityscapes();
  choice.crop = 0;
  const absl::StatusOr<ChosenData> chosen = OpenChosenData(choice);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->crop_height, 512);
  EXPECT_EQ(chosen->crop_width, 1024);
  EXPECT_TRUE(chosen->inference.average_logits);
  EXPECT_EQ(chosen->description,
            "cityscapes, 19 classes, 1 training and 1 validation images, crops of 1024×512 at 1 of full size");
  // Half to double the frame, cut to the crop; only the brightness changes, so a grey image stays grey.
  data::Sample sample = *chosen->training->Load(0);
  std::fill(sample.image.pixels.begin(), sample.image.pixels.end(), uint8_t{100});
  chosen->augmentation.Apply(autograd::RandomKey(1), sample);
  EXPECT_LE(sample.image.height, 512);
  EXPECT_LE(sample.image.width, 1024);
  for (const uint8_t value : sample.image.pixels) ASSERT_EQ(value, sample.image.pixels[0]);
  EXPECT_EQ(PublishedCrop("voc2012_aug").width, 512);
}

TEST(DatasetChoiceTest, OneSplitAlone) {
  DatasetChoice choice;
  choice.name = "cityscapes";
  choice.root = WriteCityscapes();
  const absl::StatusOr<EvaluationData> test = OpenEvaluationData(choice, "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_FALSE(test->dataset->info().labelled);
  EXPECT_FALSE(OpenEvaluationData(choice, "nothing").ok());
}

TEST(DatasetChoiceTest, ErrorsNameTheFlag) {
  const auto message = [](const DatasetChoice& choice) {
    return std::string(OpenChosenData(choice).status().message());
  };
  DatasetChoice choice;
  choice.name = "imagenet";
  EXPECT_NE(message(choice).find("--dataset=imagenet"), std::string::npos);
  EXPECT_NE(message(choice).find("cityscapes"), std::string::npos);
  choice.name = "mapillary";
  EXPECT_NE(message(choice).find("--data_root"), std::string::npos);
  choice.name = "scenes";
  choice.crop = 50;
  EXPECT_NE(message(choice).find("--crop=50"), std::string::npos);
  choice.crop = 64;
  choice.image_scale = 0;
  EXPECT_NE(message(choice).find("--image_scale=0"), std::string::npos);
}

}  // namespace
}  // namespace experiments
