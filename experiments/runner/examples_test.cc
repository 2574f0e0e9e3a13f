#include "experiments/runner/examples.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "data/formats/read_image.h"
#include "data/scenes/scene_dataset.h"
#include "experiments/report/overlay.h"
#include "experiments/runner/networks.h"

namespace experiments {
namespace {

constexpr int kSide = 32, kExamples = 6, kGap = 4;

OpenedData Scenes() {
  data::SceneOptions options;
  options.training_size = 2;
  options.validation_size = 12;
  options.height = options.width = kSide;
  OpenedData data;
  data.training = *data::SceneDataset::Create("train", options);
  data.validation = *data::SceneDataset::Create("val", options);
  data.crop_height = data.crop_width = kSide;
  return data;
}

std::string EmptyFolder(const std::string& name) {
  const std::string folder = absl::StrCat(::testing::TempDir(), "/", name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

data::Image Plain(uint8_t value) {
  data::Image image(kSide, kSide);
  image.pixels.assign(image.pixels.size(), value);
  return image;
}

// The picture in the given place of a row.
data::Image Cut(const data::Image& row, int place) {
  data::Image cut(kSide, kSide);
  for (int y = 0; y < kSide; ++y)
    std::copy_n(row.Row(y) + size_t{3} * place * (kSide + kGap), size_t{3} * kSide, cut.Row(y));
  return cut;
}

TEST(WriteExamples, PanelsStandBetweenLabelAndPrediction) {
  const OpenedData data = Scenes();
  const data::DatasetInfo& info = data.validation->info();
  const auto network = *MakeNetwork("micro", info.num_classes(), autograd::RandomKey(1));
  const std::string folder = EmptyFolder("with_panels");
  std::vector<std::string> seen;
  ExamplePanels panels;
  panels.captions = {"dark", "light"};
  panels.make = [&](const data::Sample& sample) {
    // Of one image other panels than of the next.
    const auto value = static_cast<uint8_t>(seen.size());
    seen.push_back(sample.id);
    return std::vector<data::Image>{Plain(value), Plain(200 + value)};
  };
  const auto examples = WriteExamples(*network, data, panels, folder);
  ASSERT_TRUE(examples.ok()) << examples.status();
  ASSERT_EQ(examples->size(), size_t{kExamples});
  ASSERT_EQ(seen.size(), size_t{kExamples});
  for (int i = 0; i < kExamples; ++i) {
    SCOPED_TRACE(i);
    const Example& example = (*examples)[i];
    const data::Sample sample = *data.validation->Load(2 * i);  // spread over the twelve
    EXPECT_EQ(seen[i], sample.id);
    EXPECT_EQ(example.captions, panels.captions);
    const std::vector<data::Image> expected = {sample.image,
                                               ColorLabels(sample.label, info.palette),
                                               Plain(static_cast<uint8_t>(i)),
                                               Plain(static_cast<uint8_t>(200 + i)),
                                               ColorLabels(example.prediction, info.palette),
                                               ErrorPicture(sample.label, example.prediction, info.palette)};
    EXPECT_EQ(example.panels, (std::vector<data::Image>{expected[2], expected[3]}));
    const auto row = data::ReadImage(absl::StrCat(folder, "/validation_", i + 1, ".png"));
    ASSERT_TRUE(row.ok()) << row.status();
    ASSERT_EQ(row->height, kSide);
    ASSERT_EQ(row->width, 6 * kSide + 5 * kGap);
    for (int place = 0; place < 6; ++place) EXPECT_TRUE(Cut(*row, place) == expected[place]) << place;
  }
}

TEST(WriteExamples, ThereMayBeNoPanels) {
  const OpenedData data = Scenes();
  const auto network = *MakeNetwork("micro", data.validation->info().num_classes(), autograd::RandomKey(1));
  const std::string folder = EmptyFolder("without_panels");
  // A second call replaces the files of the first.
  for (int call = 0; call < 2; ++call) {
    const auto examples = WriteExamples(*network, data, {}, folder);
    ASSERT_TRUE(examples.ok()) << examples.status();
    EXPECT_TRUE(examples->front().panels.empty());
    EXPECT_TRUE(examples->front().captions.empty());
    const auto row = data::ReadImage(absl::StrCat(folder, "/validation_1.png"));
    ASSERT_TRUE(row.ok()) << row.status();
    EXPECT_EQ(row->width, 4 * kSide + 3 * kGap);
  }
  const auto files = std::filesystem::directory_iterator(folder);
  EXPECT_EQ(std::distance(begin(files), end(files)), kExamples);
}

TEST(WriteExamples, AFolderThatIsNotThereIsNamed) {
  const OpenedData data = Scenes();
  const auto network = *MakeNetwork("micro", data.validation->info().num_classes(), autograd::RandomKey(1));
  const absl::Status status = WriteExamples(*network, data, {}, "/nowhere/at/all").status();
  EXPECT_TRUE(absl::StrContains(status.message(), "/nowhere/at/all")) << status;
}

}  // namespace
}  // namespace experiments
