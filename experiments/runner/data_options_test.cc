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
