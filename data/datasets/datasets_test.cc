#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/datasets/camvid.h"
#include "data/datasets/dataset.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/in_memory_dataset.h"
#include "data/datasets/open_dataset.h"
#include "data/datasets/pascal_context.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"
#include "gtest/gtest.h"

namespace data {
namespace {

namespace fs = std::filesystem;

class ListedDatasetTest : public DatasetTest {
 protected:
  void WriteContext(const std::vector<uint8_t>& values) {
    Write("VOC2010/ImageSets/SegmentationContext/train.txt", "2008_000001\r\n\n2008_000002 \n");
    for (const char* id : {"2008_000001", "2008_000002"}) {
      Write(absl::StrCat("VOC2010/JPEGImages/", id, ".jpg"), EncodeJpeg(Image(2, 3)));
      Write(absl::StrCat("VOC2010/SegmentationClassContext/", id, ".png"), LabelFile(values, 3));
    }
  }
};

TEST_F(ListedDatasetTest, PascalContextWith59Classes) {
  WriteContext({0, 1, 2, 58, 59, 0});
  const auto dataset = OpenPascalContext(root_.string(), "train");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->size(), 2);
  const DatasetInfo& info = (*dataset)->info();
  EXPECT_EQ(info.num_classes(), 59);
  EXPECT_EQ(info.class_names[0], "aeroplane");
  EXPECT_EQ(info.class_names[58], "wood");
  EXPECT_EQ(info.palette[0], (Color{180, 120, 120}));
  EXPECT_EQ(info.stored_values[0], 1);
  const absl::StatusOr<Sample> sample = (*dataset)->Load(1);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->id, "2008_000002");
  EXPECT_EQ(sample->index, 1);
  EXPECT_EQ(sample->image.width, 3);
  EXPECT_EQ(sample->label.values, (std::vector<uint8_t>{255, 0, 1, 57, 58, 255}));
  EXPECT_EQ((*dataset)->Load(2).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ((*dataset)->Load(-1).status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(ListedDatasetTest, PascalContextWithBackground) {
  WriteContext({0, 1, 2, 58, 59, 0});
  const auto dataset = OpenPascalContext(root_.string(), "train", {.background_class = true});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->info().num_classes(), 60);
  EXPECT_EQ((*dataset)->info().class_names[0], "background");
  EXPECT_EQ((*dataset)->info().palette[1], (Color{180, 120, 120}));
  EXPECT_EQ((*dataset)->Load(0)->label.values, (std::vector<uint8_t>{0, 1, 2, 58, 59, 0}));
}

// aeroplane, bag, bed, window, wood: positions 1, 21, 22, 58, 59 of the original list.
TEST_F(ListedDatasetTest, PascalContextInTheOriginalOrder) {
  WriteContext({0, 1, 2, 3, 58, 59});
  const PascalContextOrder order = PascalContextOrder::kOriginal;
  const auto with_void = OpenPascalContext(root_.string(), "train", {.background_class = false, .order = order});
  EXPECT_EQ((*with_void)->Load(0)->label.values, (std::vector<uint8_t>{255, 0, 20, 21, 57, 58}));
  const auto with_background = OpenPascalContext(root_.string(), "train", {.background_class = true, .order = order});
  EXPECT_EQ((*with_background)->Load(0)->label.values, (std::vector<uint8_t>{0, 1, 21, 22, 58, 59}));
  for (const auto* dataset : {&with_void, &with_background}) {
    const DatasetInfo& info = (**dataset)->info();
    EXPECT_EQ(std::set<std::string>(info.class_names.begin(), info.class_names.end()).size(), info.class_names.size());
    const int bag =
        static_cast<int>(std::find(info.class_names.begin(), info.class_names.end(), "bag") - info.class_names.begin());
    EXPECT_EQ(info.stored_values[bag], 2);
    EXPECT_EQ(info.palette[bag], (Color{6, 230, 230}));  // a class keeps its colour in either order
  }
}

TEST_F(ListedDatasetTest, PascalContextInThePlainLayout) {
  Write("val.txt", "a\n");
  Write("images/a.jpg", EncodeJpeg(Image(1, 2)));
  Write("labels/a.png", LabelFile({0, 59}, 2));
  const auto dataset = OpenPascalContext(root_.string(), "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->Load(0)->label.values, (std::vector<uint8_t>{255, 58}));
}

TEST_F(ListedDatasetTest, EachErrorNamesItsFile) {
  ExpectError(OpenPascalContext("", "train").status(), absl::StatusCode::kInvalidArgument, {"data root"});
  ExpectError(OpenPascalContext((root_ / "nowhere").string(), "train").status(), absl::StatusCode::kNotFound,
              {"nowhere"});
  ExpectError(OpenPascalContext(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {root_.string(), "SegmentationClassContext"});
  WriteContext({0, 1, 2, 3, 60, 4});
  ExpectError(OpenPascalContext(root_.string(), "vall").status(), absl::StatusCode::kNotFound, {"vall.txt", "split"});
  const auto dataset = OpenPascalContext(root_.string(), "train");
  ExpectError((*dataset)->Load(0).status(), absl::StatusCode::kInvalidArgument,
              {"2008_000001.png", "value 60", "row 1, column 1", "pascal_context"});

  Write("VOC2010/SegmentationClassContext/2008_000002.png", LabelFile({0, 1}, 2));
  ExpectError((*dataset)->Load(1).status(), absl::StatusCode::kInvalidArgument,
              {"2008_000002.png", "2 x 1", "2008_000002.jpg", "3 x 2"});
  Write("VOC2010/SegmentationClassContext/2008_000002.png", "not a picture");
  ExpectError((*dataset)->Load(1).status(), absl::StatusCode::kInvalidArgument, {"2008_000002.png"});
  Write("VOC2010/JPEGImages/2008_000002.jpg", EncodeJpeg(Image(2, 3)).substr(0, 200));
  ExpectError((*dataset)->Load(1).status(), absl::StatusCode::kDataLoss, {"2008_000002.jpg"});

  fs::remove(root_ / "VOC2010/JPEGImages/2008_000002.jpg");
  ExpectError(OpenPascalContext(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {"image", "2008_000002.jpg", "train"});
  ExpectError((*dataset)->Load(1).status(), absl::StatusCode::kNotFound, {"2008_000002.jpg"});
  fs::remove(root_ / "VOC2010/SegmentationClassContext/2008_000001.png");
  ExpectError(OpenPascalContext(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {"label map", "2008_000001.png"});

  Write("VOC2010/ImageSets/SegmentationContext/train.txt", "2008_000001\n2008_000002 extra\n");
  ExpectError(OpenPascalContext(root_.string(), "train").status(), absl::StatusCode::kInvalidArgument,
              {"train.txt", "line 2", "found 2", "2008_000002 extra"});
  Write("VOC2010/ImageSets/SegmentationContext/train.txt", "\n \n");
  ExpectError(OpenPascalContext(root_.string(), "train").status(), absl::StatusCode::kInvalidArgument, {"train.txt"});
}

TEST_F(ListedDatasetTest, CamVidWithTheOriginalListAndEitherFormat) {
  Write("CamVid/test.txt",
        "/SegNet/CamVid/test/Seq05VD_f00000.png /SegNet/CamVid/testannot/Seq05VD_f00000.png\n"
        "test/0001TP_008550.jpg testannot/0001TP_008550.png\n");
  Image image(1, 3);
  image.pixels = {10, 20, 30, 40, 50, 60, 70, 80, 90};
  Write("CamVid/test/Seq05VD_f00000.jpg", EncodeJpeg(image));  // the list says png
  Write("CamVid/test/0001TP_008550.png", EncodePng(image));    // the list says jpg
  Write("CamVid/testannot/Seq05VD_f00000.png", LabelFile({0, 10, 11}, 3));
  Write("CamVid/testannot/0001TP_008550.png", LabelFile({11, 5, 12}, 3));
  const auto dataset = OpenCamVid(root_.string(), "test");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->info().num_classes(), 11);
  EXPECT_EQ((*dataset)->info().class_names[10], "Bicyclist");
  const absl::StatusOr<Sample> sample = (*dataset)->Load(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->id, "Seq05VD_f00000");
  EXPECT_EQ(sample->label.values, (std::vector<uint8_t>{0, 10, 255}));
  ExpectError((*dataset)->Load(1).status(), absl::StatusCode::kInvalidArgument, {"0001TP_008550.png", "value 12"});
  Write("CamVid/test.txt", "only_one_field\n");
  ExpectError(OpenCamVid(root_.string(), "test").status(), absl::StatusCode::kInvalidArgument,
              {"test.txt", "line 1", "2 fields"});
  ExpectError(OpenCamVid((root_ / "CamVid").string(), "train").status(), absl::StatusCode::kNotFound, {"train.txt"});
}

// The sequence 0001TP was filmed at dusk: the day's splits lack it, the dusk has it from all lists that are there.
TEST_F(ListedDatasetTest, CamVidByDayAndAtDusk) {
  const auto write = [this](const std::string& split, const std::vector<std::string>& ids) {
    std::string list;
    for (const std::string& id : ids) {
      absl::StrAppend(&list, split, "/", id, ".png ", split, "annot/", id, ".png\n");
      Write(absl::StrCat(split, "/", id, ".png"), EncodePng(Image(1, 3)));
      Write(absl::StrCat(split, "annot/", id, ".png"), LabelFile({0, 10, 11}, 3));
    }
    Write(split + ".txt", list);
  };
  using Names = std::vector<std::string>;
  write("train", {"0001TP_006690", "0006R0_f00930", "0001TP_006720", "0016E5_00390"});
  write("val", {"0016E5_07959"});
  const auto open = [this](const std::string& name, const std::string& split) {
    return OpenDataset(name, root_.string(), split);
  };
  EXPECT_EQ(Ids(**open("camvid_day", "train")), (Names{"0006R0_f00930", "0016E5_00390"}));
  EXPECT_EQ(Ids(**open("camvid_day", "val")), (Names{"0016E5_07959"}));
  EXPECT_EQ(Ids(**open("camvid_dusk", "test")), (Names{"0001TP_006690", "0001TP_006720"}));
  write("test", {"0001TP_008550", "Seq05VD_f00000"});
  EXPECT_EQ(Ids(**open("camvid_day", "test")), (Names{"Seq05VD_f00000"}));
  EXPECT_EQ(Ids(**open("camvid_dusk", "test")), (Names{"0001TP_006690", "0001TP_006720", "0001TP_008550"}));
  EXPECT_EQ(Ids(**open("camvid", "train")).size(), 4u);
  EXPECT_EQ((*open("camvid_dusk", "test"))->info().class_names, (*open("camvid_day", "val"))->info().class_names);
  ExpectError(open("camvid_dusk", "train").status(), absl::StatusCode::kNotFound, {"'train'", "only test"});
  write("train", {"0006R0_f00930"});
  write("test", {"Seq05VD_f00000"});
  ExpectError(open("camvid_dusk", "test").status(), absl::StatusCode::kNotFound, {"0001TP_"});
}

TEST_F(ListedDatasetTest, InMemory) {
  DatasetInfo info;
  info.name = "tiny";
  info.class_names = {"a", "b"};
  Sample good;
  good.image = Image(1, 2);
  good.label = LabelMap(1, 2);
  good.label.values = {1, 255};
  const auto dataset = InMemoryDataset::Create(info, {good, good});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->Load(1)->index, 1);
  EXPECT_EQ((*dataset)->Load(1)->label, good.label);
  EXPECT_FALSE((*dataset)->Load(2).ok());
  EXPECT_EQ((*InMemoryDataset::Copy(**dataset, 1))->size(), 1);
  Sample bad = good;
  bad.label.values[0] = 2;
  ExpectError(InMemoryDataset::Create(info, {good, bad}).status(), absl::StatusCode::kInvalidArgument,
              {"sample 1", "tiny", "value 2"});
  bad.label = LabelMap(2, 2);
  ExpectError(InMemoryDataset::Create(info, {bad}).status(), absl::StatusCode::kInvalidArgument,
              {"sample 0", "2 x 1", "2 x 2"});
}

TEST_F(ListedDatasetTest, ByName) {
  WriteContext({0, 1, 2, 3, 4, 5});
  EXPECT_EQ((*OpenDataset("pascal_context", root_.string(), "train"))->info().name, "pascal_context");
  EXPECT_EQ((*OpenDataset("pascal_context_60", root_.string(), "train"))->info().num_classes(), 60);
  const auto original = OpenDataset("pascal_context", root_.string(), "train",
                                    {.pascal_context_order = PascalContextOrder::kOriginal, .scenes = {}});
  EXPECT_EQ((*original)->info().class_names[1], "bicycle");
  EXPECT_EQ((*OpenDataset("scenes", "", "val"))->size(), 256);
  ExpectError(OpenDataset("cityscape", "", "val").status(), absl::StatusCode::kInvalidArgument,
              {"cityscape", "camvid", "scenes"});
  ExpectError(OpenDataset("camvid", "", "val").status(), absl::StatusCode::kInvalidArgument, {"camvid", "data root"});
}

// The pixel counts of camvid/README.md, over all of val and a tenth of train.
TEST_F(SharedData, CamVid) {
  const auto val = OpenCamVid(shared_ + "/camvid", "val");
  ASSERT_TRUE(val.ok()) << val.status();
  ASSERT_EQ((*val)->size(), 101);
  std::vector<int64_t> counts(256);
  for (int i = 0; i < 101; ++i) {
    const absl::StatusOr<Sample> sample = (*val)->Load(i);
    ASSERT_TRUE(sample.ok()) << sample.status();
    ASSERT_EQ(sample->image.width, 480);
    ASSERT_EQ(sample->image.height, 360);
    for (const uint8_t value : sample->label.values) ++counts[value];
  }
  const double shares[] = {9.18, 25.96, 0.56, 28.95, 8.72, 16.34, 0.89, 3.08, 1.75, 0.65, 2.22};
  for (int k = 0; k < 11; ++k) EXPECT_NEAR(100.0 * counts[k] / 17452800, shares[k], 0.0051) << k;
  EXPECT_NEAR(100.0 * counts[255] / 17452800, 1.70, 0.0051);
  const auto train = OpenDataset("camvid", shared_, "train");  // finds camvid/ below the root
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ((*train)->size(), 367);
  for (int i = 0; i < 367; i += 40) EXPECT_TRUE((*train)->Load(i).ok());
  std::ifstream classes(shared_ + "/camvid/classes.txt");
  for (int k = 0; k < 11; ++k) {
    int index, red, green, blue;
    std::string name;
    ASSERT_TRUE(classes >> index >> name >> red >> green >> blue);
    EXPECT_EQ((*train)->info().class_names[k], name);
    EXPECT_EQ((*train)->info().palette[k],
              (Color{static_cast<uint8_t>(red), static_cast<uint8_t>(green), static_cast<uint8_t>(blue)}));
  }
}

TEST_F(SharedData, PascalContextSampleAndNames) {
  const std::string samples = shared_ + "/format_samples/";
  fs::create_directories(root_ / "VOCdevkit/VOC2010/ImageSets");
  fs::create_directory_symlink(samples + "voc2012/VOCdevkit/VOC2012/JPEGImages",
                               root_ / "VOCdevkit/VOC2010/JPEGImages");
  fs::create_directory_symlink(samples + "pascal_context/SegmentationClassContext_generated",
                               root_ / "VOCdevkit/VOC2010/SegmentationClassContext");
  Write("VOCdevkit/VOC2010/ImageSets/SegmentationContext/sample.txt", "2007_000129\n");
  const auto dataset = OpenPascalContext(root_.string(), "sample", {.background_class = true});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const absl::StatusOr<Sample> sample = (*dataset)->Load(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->image.width, 334);
  const std::set<int> values(sample->label.values.begin(), sample->label.values.end());
  EXPECT_EQ(values, (std::set<int>{0, 6, 11, 29, 37, 41, 47}));

  // The original order against the release's own list, which spells three names differently.
  const auto original =
      OpenPascalContext(root_.string(), "sample", {.background_class = false, .order = PascalContextOrder::kOriginal});
  std::ifstream names(samples + "pascal_context/59_labels.txt");
  std::string line;
  int position = 0;
  while (std::getline(names, line) && line.find(": ") != std::string::npos) {
    std::string name = line.substr(line.find(": ") + 2);
    name.erase(name.find_last_not_of(" \r") + 1);
    if (name == "diningtable") name = "table";
    if (name == "bedcloth") name = "bedclothes";
    if (name == "clothes") name = "cloth";
    ASSERT_LT(position, 59);
    EXPECT_EQ((*original)->info().class_names[position], name);
    ++position;
  }
  EXPECT_EQ(position, 59);
}

}  // namespace
}  // namespace data
