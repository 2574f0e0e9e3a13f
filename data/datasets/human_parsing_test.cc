// The layouts of LIP and CIHP: tiny files of ours, and the genuine ones of the format samples where SEGMENTATION_DATA
// names them.

#include "data/datasets/human_parsing.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/random.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/open_dataset.h"
#include "data/formats/read_image.h"
#include "data/transforms/transform.h"

namespace data {
namespace {

class HumanParsingTest : public LayoutTest {
 protected:
  void WritePair(const std::string& image, const std::string& label, const Values& values) {
    WriteImage(image, 1, static_cast<int>(values.size()));
    Write(label, LabelFile(values, static_cast<int>(values.size())));
  }
  void WriteLip() {
    WritePair("train_images/684_2150041.jpg", "train_segmentations/684_2150041.png", {0, 14, 255});
    WritePair("train_images/77_9.jpg", "train_segmentations/77_9.png", {19, 10, 1});
    Write("val_images/86_185913.jpg", EncodeJpeg(Image(1, 3, /*channels=*/1)));  // as some of LIP's are
    Write("val_segmentations/86_185913.png", LabelFile({2, 2, 15}, 3));
    WriteImage("testing_images/5_6.jpg");
    Write("train_id.txt", "684_2150041\n77_9\n");
    Write("val_id.txt", "86_185913\n");
  }
};

TEST_F(HumanParsingTest, LipAsSchpHasIt) {
  WriteLip();
  const auto train = OpenDataset("lip", root_.string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Ids(**train), (std::vector<std::string>{"684_2150041", "77_9"}));
  EXPECT_EQ(LabelsOf(train, 0), (Values{0, 14, 255}));
  EXPECT_EQ(LabelsOf(train, 1), (Values{19, 10, 1}));
  const auto val = OpenDataset("lip", root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ(LabelsOf(val, 0), (Values{2, 2, 15}));
  EXPECT_EQ((*val)->Load(0)->image.channels, 3);
  const DatasetInfo& info = (*val)->info();
  EXPECT_EQ(info.num_classes(), 20);
  EXPECT_EQ(info.class_names[0], "Background");
  EXPECT_EQ(info.class_names[10], "Jumpsuits");
  EXPECT_EQ(info.class_names[19], "Right-shoe");
  EXPECT_EQ(info.palette[7], (Color{0, 119, 221}));
  EXPECT_EQ(info.palette[14], (Color{51, 170, 221}));
  EXPECT_EQ(info.mirrored_classes, (Values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 14, 17, 16, 19, 18}));
  const auto test = OpenDataset("lip", root_.string(), "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_FALSE((*test)->info().labelled);
  EXPECT_EQ(Ids(**test), (std::vector<std::string>{"5_6"}));
  EXPECT_EQ(LabelsOf(test, 0), (Values{255, 255, 255}));
  ExpectError(OpenLip(root_.string(), "trainval").status(), absl::StatusCode::kNotFound, {"trainval", "LIP"});
}

TEST_F(HumanParsingTest, LipAsReleasedAndBelowAFolder) {
  const std::string images = "LIP/TrainVal_images/", labels = "LIP/TrainVal_parsing_annotations/";
  WritePair(images + "train_images/a_1.jpg", labels + "train_segmentations/a_1.png", {5, 6});
  WritePair(images + "train_images/b_2.jpg", labels + "train_segmentations/b_2.png", {7, 8});
  WritePair(images + "val_images/c_3.jpg", labels + "val_segmentations/c_3.png", {9, 9});
  Write(images + "train_id.txt", "b_2\n");
  const auto train = OpenLip(root_.string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Ids(**train), (std::vector<std::string>{"b_2"}));  // the list's
  EXPECT_EQ(LabelsOf(train, 0), (Values{7, 8}));
  const auto val = OpenLip((root_ / "LIP").string(), "val");  // without a list all
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ(Ids(**val), (std::vector<std::string>{"c_3"}));
  EXPECT_EQ(LabelsOf(val, 0), (Values{9, 9}));
}

// One line with the list and the id.
TEST_F(HumanParsingTest, AnIdWithoutALabelIsNamedWithItsList) {
  WriteLip();
  Write("train_id.txt", "684_2150041\n1_2\n");
  WriteImage("train_images/1_2.jpg");
  const absl::Status status = OpenLip(root_.string(), "train").status();
  ExpectError(status, absl::StatusCode::kNotFound, {"train_id.txt", "1_2", "label map"});
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
  FileOptions skip;
  skip.incomplete = IncompleteSamples::kSkip;
  const auto rest = OpenLip(root_.string(), "train", skip);
  ASSERT_TRUE(rest.ok()) << rest.status();
  EXPECT_EQ((*rest)->size(), 1);
  EXPECT_EQ((*rest)->Missing().size(), 1u);
}

TEST_F(HumanParsingTest, ValuesBeyondTheClassesAreRefused) {
  WriteLip();
  Write("val_segmentations/86_185913.png", LabelFile({2, 20, 15}, 3));
  const auto val = OpenLip(root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_NE((*val)->Load(0).status().message().find("86_185913.png"), absl::string_view::npos);
}

TEST_F(HumanParsingTest, CihpAndItsSevenDigits) {
  WritePair("Training/Images/0002190.jpg", "Training/Category_ids/0002190.png", {0, 10, 18});
  WritePair("Training/Images/0005008.jpg", "Training/Category_ids/0005008.png", {14, 15, 0});
  WritePair("Validation/Images/0000007.jpg", "Validation/Category_ids/0000007.png", {13, 13, 1});
  WriteImage("Testing/Images/0000001.jpg");
  Write("Training/train_id.txt", "2190\n0005008\n");
  Write("Validation/val_id.txt", "0000007\n");
  const auto train = OpenDataset("cihp", root_.string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Ids(**train), (std::vector<std::string>{"0002190", "0005008"}));
  EXPECT_EQ(LabelsOf(train, 0), (Values{0, 10, 18}));
  const auto val = OpenDataset("cihp", root_.string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  EXPECT_EQ(LabelsOf(val, 0), (Values{13, 13, 1}));
  EXPECT_EQ((*val)->info().class_names[10], "Torso-skin");
  EXPECT_EQ((*val)->info().class_names[9], "Pants");
  EXPECT_FALSE((*OpenCihp(root_.string(), "test"))->info().labelled);
  Write("Training/train_id.txt", "0002190\n2191\n");
  ExpectError(OpenCihp(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {"train_id.txt", "0002191", "image"});
}

TEST_F(FormatSamples, Lip) {
  const auto train = OpenLip((samples_ / "lip").string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Ids(**train), (std::vector<std::string>{"684_2150041"}));
  EXPECT_EQ(Present(**train), (std::set<int>{0, 2, 5, 13, 14, 15}));
  // A JPEG of one channel, whose three are equal.
  const auto val = OpenLip((samples_ / "lip").string(), "val");
  ASSERT_TRUE(val.ok()) << val.status();
  const Sample sample = *(*val)->Load(0);
  EXPECT_EQ(sample.id, "86_185913");
  EXPECT_EQ(sample.image.width, 130);
  EXPECT_EQ(sample.image.height, 377);
  ASSERT_EQ(sample.image.channels, 3);
  for (size_t i = 0; i < sample.image.pixels.size(); i += 3) {
    ASSERT_EQ(sample.image.pixels[i], sample.image.pixels[i + 1]);
    ASSERT_EQ(sample.image.pixels[i], sample.image.pixels[i + 2]);
  }
  EXPECT_EQ(Present(**val), (std::set<int>{0, 1, 5, 9, 13, 15}));
}

// The flip of training makes what the release ships as the label maps of mirrored images.
TEST_F(FormatSamples, CihpMirroredIsTheReleasesOwn) {
  const auto train = OpenCihp((samples_ / "cihp").string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  ASSERT_EQ((*train)->size(), 5);
  const Transform flip = HorizontalFlip(1.0f, MirroredPairs((*train)->info()));
  for (int64_t i = 0; i < 5; ++i) {
    Sample sample = *(*train)->Load(i);
    flip(autograd::RandomKey(0), sample);
    const absl::StatusOr<LabelMap> released =
        ReadLabelMap((samples_ / "cihp/Training/Category_rev_ids" / (sample.id + ".png")).string());
    ASSERT_TRUE(released.ok()) << released.status();
    EXPECT_EQ(sample.label, *released) << sample.id;
  }
}

}  // namespace
}  // namespace data
