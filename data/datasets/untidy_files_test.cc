// Files as people have them: turned photos, hidden companions, other spellings, lists that editors made, entries twice,
// names with blanks, files that are cut off.

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/parallel.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/open_dataset.h"
#include "data/datasets/voc2012.h"
#include "data/formats/exif_fixture.h"
#include "data/formats/mat_fixture.h"

namespace data {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

class UntidyFilesTest : public DatasetTest {
 protected:
  // An image of one row and its label map, both of two columns.
  void WriteVoc(const std::string& id, const std::string& extension = ".jpg", const std::string& label = ".png") {
    Write("VOC2012/JPEGImages/" + id + extension, EncodeJpeg(Image(1, 2)));
    Write("VOC2012/SegmentationClass/" + id + label, LabelFile({1, 2}, 2));
  }
  void WriteVocList(const std::string& contents, const std::string& split = "train") {
    Write("VOC2012/ImageSets/Segmentation/" + split + ".txt", contents);
  }
  absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& name, const std::string& split = "train",
                                                bool ignore_orientation = false) {
    DatasetOptions options;
    options.ignore_orientation = ignore_orientation;
    return OpenDataset(name, root_.string(), split, options);
  }
  static Names Ids(const absl::StatusOr<std::unique_ptr<Dataset>>& dataset) {
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    Names ids;
    for (int64_t i = 0; dataset.ok() && i < (*dataset)->size(); ++i) {
      const absl::StatusOr<Sample> sample = (*dataset)->Load(i);
      EXPECT_TRUE(sample.ok()) << sample.status();
      if (sample.ok()) ids.push_back(sample->id);
    }
    return ids;
  }
  void WriteMapillary() {
    Write("config_v1.2.json", R"({"labels": [{"readable": "Bird", "evaluate": true, "color": [1, 2, 3]},)"
                              R"({"readable": "Road", "evaluate": true, "color": [4, 5, 6]}]})");
  }
};

// A tall picture stored lying on its side, its label map drawn on the picture as shown: 1 at the top, 2 at the bottom.
TEST_F(UntidyFilesTest, TurnedPhotosFitLabelsAsShown) {
  Image lying(16, 32);  // 6, a quarter turn clockwise: its left end is the top
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 96; ++x) lying.Row(y)[x] = x < 48 ? 250 : 5;
  }
  Write("VOC2012/JPEGImages/a.jpg", JpegWithExif(EncodeJpeg(lying, 100), ExifBytes(6, false)));
  Values values(32 * 16, 2);
  std::fill(values.begin(), values.begin() + 16 * 16, uint8_t{1});
  Write("VOC2012/SegmentationClass/a.png", LabelFile(values, 16));
  WriteVocList("a\n");
  const auto dataset = Open("voc2012");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_TRUE((*dataset)->CheckFiles().ok()) << (*dataset)->CheckFiles();
  const absl::StatusOr<Sample> sample = (*dataset)->Load(0);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->image.height, 32);
  EXPECT_EQ(sample->image.orientation, 6);
  for (int y = 0; y < 32; ++y) {
    EXPECT_NEAR(sample->image.Row(y)[0], y < 16 ? 250 : 5, 20) << y;
    EXPECT_EQ(sample->label.Row(y)[0], y < 16 ? 1 : 2) << y;
  }
  // For labels that follow the raster this pair is of two sizes, by Load and by the check; a label of the raster's size
  // fits.
  const auto raster = Open("voc2012", "train", true);
  ExpectError((*raster)->Load(0).status(), absl::StatusCode::kInvalidArgument, {"a.png", "16 x 32", "32 x 16"});
  ExpectError((*raster)->CheckFiles(), absl::StatusCode::kInvalidArgument, {"a.png", "16 x 32", "32 x 16"});
  Write("VOC2012/SegmentationClass/a.png", LabelFile(values, 32));
  EXPECT_TRUE((*raster)->CheckFiles().ok());
  EXPECT_EQ((*raster)->Load(0)->image.width, 32);
  EXPECT_EQ((*raster)->Load(0)->image.orientation, 6);
  ExpectError((*dataset)->CheckFiles(), absl::StatusCode::kInvalidArgument, {"32 x 16", "16 x 32", "orientation 6"});
}

TEST_F(UntidyFilesTest, CompanionsAreNoSamples) {
  WriteMapillary();
  for (const char* name : {"a", "._a", ".b"}) {
    const bool real = name[0] != '.';
    Write(absl::StrCat("training/images/", name, ".jpg"), real ? EncodeJpeg(Image(1, 2)) : "Mac OS X");
    Write(absl::StrCat("training/v1.2/labels/", name, ".png"), real ? LabelFile({0, 1}, 2) : "Mac OS X");
  }
  for (const char* name : {".DS_Store", "Thumbs.db", ".ipynb_checkpoints/a-checkpoint.jpg"})
    Write(absl::StrCat("training/images/", name), "x");
  const auto mapillary = Open("mapillary");
  EXPECT_EQ(Ids(mapillary), (Names{"a"}));
  EXPECT_EQ((*mapillary)->Notes(), Names());

  const std::string frame = "x/x_000000_000000";
  Write("leftImg8bit/val/" + frame + "_leftImg8bit.png", EncodePng(Image(1, 2)));
  Write("leftImg8bit/val/x/._x_000000_000000_leftImg8bit.png", "Mac OS X");
  Write("leftImg8bit/val/._x", "Mac OS X");
  Write("gtFine/val/" + frame + "_gtFine_labelTrainIds.png", LabelFile({0, 18}, 2));
  Write("gtFine/val/x/._x_000000_000000_gtFine_labelIds.png", "Mac OS X");  // must not hide the train ids
  const auto cityscapes = Open("cityscapes", "val");
  EXPECT_EQ(Ids(cityscapes), (Names{"x_000000_000000"}));
  EXPECT_EQ((*cityscapes)->Load(0)->label.values, (Values{0, 18}));
}

TEST_F(UntidyFilesTest, ExtensionsInOtherLettersAndOfOtherKinds) {
  WriteVoc("a", ".JPG", ".PNG");
  WriteVoc("b", ".jpeg");
  WriteVoc("c", ".Jpeg", ".Png");
  WriteVocList("a\nb\nc\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a", "b", "c"}));
  WriteVocList("/JPEGImages/a.jpg /SegmentationClass/a.png\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a"}));

  Write("train.txt", "/SegNet/CamVid/train/a.png /SegNet/CamVid/trainannot/a.png\n");
  Write("train/a.JPEG", EncodeJpeg(Image(1, 2)));
  Write("trainannot/a.PNG", LabelFile({1, 2}, 2));
  EXPECT_EQ(Ids(Open("camvid")), (Names{"a"}));

  Write("leftImg8bit/val/x/x_0_0_leftImg8bit.PNG", EncodePng(Image(1, 2)));
  Write("gtFine/val/x/x_0_0_gtFine_labelIds.PNG", LabelFile({7, 8}, 2));
  EXPECT_EQ(Ids(Open("cityscapes", "val")), (Names{"x_0_0"}));

  WriteMapillary();
  Write("training/images/a.JPG", EncodeJpeg(Image(1, 2)));
  Write("training/images/b.png", EncodePng(Image(1, 2)));
  for (const char* label : {"a.Png", "b.png"})
    Write(absl::StrCat("training/v1.2/labels/", label), LabelFile({0, 1}, 2));
  EXPECT_EQ(Ids(Open("mapillary")), (Names{"a", "b"}));

  fs::remove_all(root_ / "VOC2012");
  Write("VOC2010/JPEGImages/a.JPG", EncodeJpeg(Image(1, 2)));
  Write("VOC2010/SegmentationClassContext/a.PNG", LabelFile({1, 2}, 2));
  Write("VOC2010/ImageSets/SegmentationContext/train.txt", "a\n");
  EXPECT_EQ(Ids(Open("pascal_context")), (Names{"a"}));
}

TEST_F(UntidyFilesTest, FilesThatAreLeftOutAreCounted) {
  WriteMapillary();
  Write("training/images/a.jpg", EncodeJpeg(Image(1, 2)));
  Write("training/images/a.JPG", EncodeJpeg(Image(5, 5)));
  for (const char* name : {"b.bmp", "c.gif", "d.webp", "e.tif"}) Write(absl::StrCat("training/images/", name), "x");
  Write("training/v1.2/labels/a.png", LabelFile({0, 1}, 2));
  const auto dataset = Open("mapillary");
  EXPECT_EQ(Ids(dataset), (Names{"a"}));
  ASSERT_EQ((*dataset)->Notes().size(), 1);
  for (const char* part : {"training/images': 5 files are left out", "a.JPG, b.bmp, c.gif and 2 more"})
    EXPECT_NE((*dataset)->Notes()[0].find(part), std::string::npos) << (*dataset)->Notes()[0];
  fs::remove(root_ / "training/images/a.jpg");
  fs::remove(root_ / "training/images/a.JPG");
  ExpectError(Open("mapillary").status(), absl::StatusCode::kNotFound, {"training/images", "no image", "b.bmp"});
}

TEST_F(UntidyFilesTest, ListsFromEditors) {
  WriteVoc("a");
  WriteVoc("b");
  WriteVocList(
      "\xEF\xBB\xBF"
      "a\r\nb  \r\n\r\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a", "b"}));
  WriteVocList(
      std::string("\xFF\xFE"
                  "a\0\r\0\n\0b\0",
                  10));
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a", "b"}));
  WriteVocList("a\rb\r");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a", "b"}));
  WriteVocList(std::string("a\nb\0", 4));
  ExpectError(Open("voc2012").status(), absl::StatusCode::kInvalidArgument, {"train.txt', line 2", "zero byte"});
}

TEST_F(UntidyFilesTest, ANamedLabelFileIsThatOneOrAnError) {
  WriteVoc("a");
  WriteVocList("/JPEGImages/a.jpg /SegmentationClassX/a.png\n");
  ExpectError(Open("voc2012").status(), absl::StatusCode::kNotFound, {"label map", "SegmentationClassX/a.png"});
}

TEST_F(UntidyFilesTest, EntriesThatOccurTwice) {
  for (const char* id : {"a", "b", "c"}) WriteVoc(id);
  WriteVocList("b\na\nb\nc\na\n");
  const auto dataset = Open("voc2012");
  EXPECT_EQ(Ids(dataset), (Names{"b", "a", "c"}));
  EXPECT_EQ((*dataset)->Notes(), (Names{"train.txt: 2 entries occur twice; each is used once"}));
  WriteVocList("a\na\na\n");
  EXPECT_EQ((*Open("voc2012"))->Notes(), (Names{"train.txt: 1 entry occurs more than once; it is used once"}));
  WriteVocList("a\nb\n");
  EXPECT_EQ((*Open("voc2012"))->Notes(), Names());
  Write("val.txt", "v/a.png l/a.png\nv/a.png l/b.png\nv/a.png l/a.png\n");
  Write("v/a.png", EncodePng(Image(1, 2)));
  for (const char* label : {"l/a.png", "l/b.png"}) Write(label, LabelFile({1, 2}, 2));
  const auto camvid = Open("camvid", "val");  // another label map is another entry
  EXPECT_EQ(Ids(camvid), (Names{"a", "a"}));
  EXPECT_EQ((*camvid)->Notes(), (Names{"val.txt: 1 entry occurs twice; it is used once"}));
}

TEST_F(UntidyFilesTest, NamesWithBlanks) {
  WriteVoc("my photo");
  WriteVoc("photo 1");
  WriteVoc("a");
  WriteVocList("a\nmy photo\nphoto 1\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"a", "my photo", "photo 1"}));
  WriteVocList("\"my photo\"\na  1\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"my photo", "a"}));
  WriteVocList("\"/JPEGImages/my photo.jpg\" \"/SegmentationClass/my photo.png\"\n");
  EXPECT_EQ(Ids(Open("voc2012")), (Names{"my photo"}));
  WriteVocList("/JPEGImages/my photo.jpg /SegmentationClass/my photo.png\n");
  ExpectError(Open("voc2012").status(), absl::StatusCode::kInvalidArgument,
              {"train.txt', line 1", "found 4", "double quotes", "tabs"});

  Write("train/my photo.png", EncodePng(Image(1, 2)));
  Write("trainannot/my photo.png", LabelFile({1, 2}, 2));
  Write("train.txt", "train/my photo.png\ttrainannot/my photo.png\n");
  EXPECT_EQ(Ids(Open("camvid")), (Names{"my photo"}));
  Write("train.txt", "\"train/my photo.png\" \"trainannot/my photo.png\"\n");
  EXPECT_EQ(Ids(Open("camvid")), (Names{"my photo"}));
  Write("train.txt", "train/my photo.png trainannot/my photo.png\n");
  ExpectError(Open("camvid").status(), absl::StatusCode::kInvalidArgument,
              {"train.txt', line 1", "expected 2 fields, found 4", "double quotes", "tabs"});
}

// data/VOCdevkit/{VOC2012,VOCaug/dataset}, whichever of the folders the data root is.
TEST_F(UntidyFilesTest, SbdBesideVoc) {
  const std::string devkit = "VOCdevkit/";
  for (const char* id : {"a", "b", "e"})
    Write(absl::StrCat(devkit, "VOC2012/JPEGImages/", id, ".jpg"), EncodeJpeg(Image(1, 2)));
  for (const char* id : {"a", "b"})
    Write(absl::StrCat(devkit, "VOC2012/SegmentationClass/", id, ".png"), LabelFile({1, 2}, 2));
  Write(devkit + "VOC2012/ImageSets/Segmentation/train.txt", "a\n");
  Write(devkit + "VOC2012/ImageSets/Segmentation/val.txt", "b\n");
  Write(devkit + "VOCaug/dataset/train.txt", "e\n");
  Write(devkit + "VOCaug/dataset/val.txt", "b\n");
  const std::string values =
      MatArray("", kMatUint8Class, {1, 2}, MatElement(kMatUint8, MatBytes(std::vector<uint8_t>{3, 4})));
  Write(devkit + "VOCaug/dataset/cls/e.mat", MatFile(MatStruct("GTcls", {{"Segmentation", values}})));
  for (const char* below : {"", "VOCdevkit", "VOCdevkit/VOC2012", "VOCdevkit/VOC2012/"}) {
    const auto dataset = OpenVoc2012((root_ / below).string(), "trainaug");
    EXPECT_EQ(Ids(dataset), (Names{"a", "e"})) << below;
    EXPECT_EQ((*dataset)->Load(1)->label.values, (Values{3, 4}));
    EXPECT_TRUE((*dataset)->CheckFiles().ok());
  }
}

class CheckFilesTest : public UntidyFilesTest {
 protected:
  static constexpr int kSamples = 100;
  CheckFilesTest() {
    std::string list;
    for (int i = 0; i < kSamples; ++i) {
      WriteVoc(absl::StrCat(i));
      absl::StrAppend(&list, i, "\n");
    }
    WriteVocList(list);
    dataset_ = *Open("voc2012");
  }
  std::unique_ptr<Dataset> dataset_;
};

TEST_F(CheckFilesTest, TheFirstFaultWhateverTheThreads) {
  EXPECT_TRUE(dataset_->CheckFiles().ok()) << dataset_->CheckFiles();
  Write("VOC2012/JPEGImages/99.jpg", "");
  Write("VOC2012/SegmentationClass/41.png", LabelFile({1, 2, 3}, 3));
  const std::string png = EncodePng(Image(7, 9));
  Write("VOC2012/JPEGImages/40.jpg", png.substr(0, png.size() - 5));
  const int threads = autograd::ThreadCount();
  for (const int count : {1, 2, 5}) {
    autograd::SetThreadCount(count);
    for (int repeat = 0; repeat < 5; ++repeat)
      ExpectError(dataset_->CheckFiles(), absl::StatusCode::kDataLoss, {"JPEGImages/40.jpg", "truncated"});
  }
  autograd::SetThreadCount(threads);
  WriteVoc("40");
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kInvalidArgument, {"41.png", "3 x 1", "41.jpg", "2 x 1"});
  WriteVoc("41");
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kDataLoss, {"99.jpg", "empty"});
}

TEST_F(CheckFilesTest, EveryKindOfFault) {
  const std::string image = "VOC2012/JPEGImages/40.jpg", label = "VOC2012/SegmentationClass/40.png";
  const std::string jpeg = EncodeJpeg(Image(1, 2));
  Write(image, jpeg.substr(0, jpeg.size() - 1));
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kDataLoss, {"40.jpg", "truncated"});
  Write(image, "GIF89a");
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kInvalidArgument, {"40.jpg", "neither PNG nor JPEG"});
  fs::remove(root_ / image);
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kNotFound, {"40.jpg"});
  Write(image, jpeg);
  Write(label, EncodePng(Image(1, 2)));
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kInvalidArgument, {"40.png", "RGB"});
  Write(label, jpeg);
  ExpectError(dataset_->CheckFiles(), absl::StatusCode::kInvalidArgument, {"40.png", "JPEG cannot be a label map"});
  Write(label, LabelFile({1, 2}, 2));
  EXPECT_TRUE(dataset_->CheckFiles().ok());
}

TEST_F(CheckFilesTest, CanBeInterrupted) {
  std::atomic<int> asked = 0;
  const absl::Status status = dataset_->CheckFiles([&asked] { return ++asked > 1; });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_TRUE(dataset_->CheckFiles([] { return false; }).ok());
  const auto scenes = OpenDataset("scenes", "", "val");
  EXPECT_TRUE((*scenes)->CheckFiles().ok());
  EXPECT_EQ((*scenes)->CheckFiles([] { return true; }).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ((*scenes)->Notes(), Names());
}

}  // namespace
}  // namespace data
