// The published layouts of VOC 2012, Cityscapes, Mapillary Vistas and the release of Pascal Context: tiny files of
// ours, and the genuine ones of the format samples where SEGMENTATION_DATA names them.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "autograd/runtime/error.h"
#include "data/datasets/cityscapes.h"
#include "data/datasets/dataset_fixture.h"
#include "data/datasets/mapillary.h"
#include "data/datasets/open_dataset.h"
#include "data/datasets/pascal_context.h"
#include "data/datasets/submission.h"
#include "data/datasets/voc2012.h"
#include "data/formats/mat_fixture.h"
#include "data/formats/read_image.h"

namespace data {
namespace {

namespace fs = std::filesystem;

// A 1 x n matrix: rows and columns are told apart in mat_test.
std::string MatValues(const std::string& name, const Values& values) {
  return MatArray(name, kMatUint8Class, {1, static_cast<int32_t>(values.size())},
                  MatElement(kMatUint8, MatBytes(values)));
}

class Voc2012Test : public LayoutTest {
 protected:
  // Images a (VOC's train), b (val), c (test), d and e (only in SBD); d has a converted label map, e SBD's own.
  void WriteVoc() {
    for (const char* id : {"a", "b", "c", "d", "e"})
      WriteImage(absl::StrCat("VOCdevkit/VOC2012/JPEGImages/", id, ".jpg"));
    WriteList("train", "a\n");
    WriteList("val", "b\n");
    WriteList("trainval", "a\nb\n");
    WriteList("test", "c\n");
    for (const char* id : {"a", "b"})
      Write(absl::StrCat("VOCdevkit/VOC2012/SegmentationClass/", id, ".png"),
            *EncodePalettePng(Labels({0, 20, 255}), {VocColor(0), VocColor(1)}, {224, 224, 192}));
  }
  void WriteSbd() {
    Write("VOCdevkit/VOC2012/SegmentationClassAug/d.png", LabelFile({1, 2, 3}, 3));
    Write("benchmark_RELEASE/dataset/train.txt", "e\nb\n");
    Write("benchmark_RELEASE/dataset/val.txt", "d\n");
    Write("benchmark_RELEASE/dataset/cls/e.mat",
          MatFile(
              MatStruct("GTcls", {{"Boundaries", MatValues("", {1})}, {"Segmentation", MatValues("", {0, 15, 20})}})));
  }
  void WriteList(const std::string& split, const std::string& contents) {
    Write("VOCdevkit/VOC2012/ImageSets/Segmentation/" + split + ".txt", contents);
  }
  static LabelMap Labels(const Values& values) {
    LabelMap labels(1, static_cast<int>(values.size()));
    labels.values = values;
    for (uint8_t& value : labels.values) value = std::min<uint8_t>(value, value == 255 ? 255 : 1);
    return labels;
  }
};

TEST_F(Voc2012Test, SplitsAndVoid) {
  WriteVoc();
  const auto train = OpenDataset("voc2012", root_.string(), "train");
  ASSERT_TRUE(train.ok()) << train.status();
  EXPECT_EQ(Ids(**train), (std::vector<std::string>{"a"}));
  EXPECT_EQ(LabelsOf(train, 0), (Values{0, 1, 255}));
  EXPECT_EQ((*OpenVoc2012((root_ / "VOCdevkit/VOC2012").string(), "val"))->size(), 1);
  EXPECT_EQ((*OpenVoc2012((root_ / "VOCdevkit").string(), "trainval"))->size(), 2);
  const DatasetInfo& info = (*train)->info();
  EXPECT_EQ(info.num_classes(), 21);
  EXPECT_EQ(info.class_names[0], "background");
  EXPECT_EQ(info.class_names[15], "person");
  EXPECT_EQ(info.class_names[20], "tvmonitor");
  EXPECT_EQ(info.palette[9], (Color{192, 0, 0}));
  EXPECT_EQ(info.palette[15], (Color{192, 128, 128}));
  EXPECT_EQ(info.palette[20], (Color{0, 64, 128}));
  EXPECT_EQ(VocColor(255), (Color{224, 224, 192}));

  const auto test = OpenDataset("voc2012", root_.string(), "test");
  ASSERT_TRUE(test.ok()) << test.status();
  EXPECT_FALSE((*test)->info().labelled);
  EXPECT_EQ(LabelsOf(test, 0), (Values{255, 255, 255}));
}

TEST_F(Voc2012Test, AugmentedTrainingIsPutTogether) {
  WriteVoc();
  ExpectError(OpenVoc2012(root_.string(), "trainaug").status(), absl::StatusCode::kNotFound, {"trainaug", "SBD"});
  WriteSbd();
  const auto augmented = OpenDataset("voc2012_aug", root_.string(), "train");
  ASSERT_TRUE(augmented.ok()) << augmented.status();
  EXPECT_EQ(Ids(**augmented), (std::vector<std::string>{"a", "d", "e"}));  // without b, which is in val
  EXPECT_EQ(LabelsOf(augmented, 0), (Values{0, 1, 255}));
  EXPECT_EQ(LabelsOf(augmented, 1), (Values{1, 2, 3}));
  EXPECT_EQ(LabelsOf(augmented, 2), (Values{0, 15, 20}));
  EXPECT_EQ(Ids(**OpenDataset("voc2012_aug", root_.string(), "val")), (std::vector<std::string>{"b"}));
  EXPECT_EQ(Ids(**OpenDataset("voc2012", root_.string(), "train")), (std::vector<std::string>{"a"}));
}

TEST_F(Voc2012Test, ListsOfPaths) {
  WriteVoc();
  WriteSbd();
  Write("VOCdevkit/VOC2012/list/train_aug.txt",
        "/JPEGImages/a.jpg /SegmentationClass/a.png\n/JPEGImages/d.jpg /SegmentationClassAug/d.png\n");
  const auto listed = OpenVoc2012(root_.string(), "trainaug");
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(Ids(**listed), (std::vector<std::string>{"a", "d"}));
  EXPECT_EQ(LabelsOf(listed, 0), (Values{0, 1, 255}));
  EXPECT_EQ(LabelsOf(listed, 1), (Values{1, 2, 3}));
  // The file that the list names and no other.
  Write("VOCdevkit/VOC2012/list/train_aug.txt", "/JPEGImages/a.jpg /SegmentationClassAug/a.png\n");
  ExpectError(OpenVoc2012(root_.string(), "trainaug").status(), absl::StatusCode::kNotFound,
              {"label map", "SegmentationClassAug/a.png"});
  WriteList("test", "/JPEGImages/c.jpg\n");
  EXPECT_EQ(Ids(**OpenVoc2012(root_.string(), "test")), (std::vector<std::string>{"c"}));
}

TEST_F(Voc2012Test, Errors) {
  ExpectError(OpenVoc2012(root_.string(), "train").status(), absl::StatusCode::kNotFound, {"JPEGImages"});
  WriteVoc();
  ExpectError(OpenVoc2012(root_.string(), "nothing").status(), absl::StatusCode::kNotFound, {"nothing.txt"});
  WriteList("train", "a\nd\nmissing\n");
  ExpectError(OpenVoc2012(root_.string(), "train").status(), absl::StatusCode::kNotFound,
              {"label map", "SegmentationClass/d.png", "2 more"});
  const auto complete = OpenDataset("voc2012", root_.string(), "train",
                                    {.pascal_context_order = {}, .scenes = {}, .incomplete = IncompleteSamples::kSkip});
  ASSERT_TRUE(complete.ok()) << complete.status();
  EXPECT_EQ(Ids(**complete), (std::vector<std::string>{"a"}));
  const std::vector<MissingFile> missing = (*complete)->Missing();
  ASSERT_EQ(missing.size(), 3);
  EXPECT_EQ(missing[0].id, "d");
  EXPECT_EQ(missing[0].kind, "label map");
  EXPECT_EQ(missing[1].id, "missing");
  EXPECT_EQ(missing[1].kind, "image");
  EXPECT_EQ(missing[2].path, (root_ / "VOCdevkit/VOC2012/SegmentationClass/missing.png").string());
}

class CityscapesTest : public LayoutTest {
 protected:
  void WriteFrame(const std::string& split, const std::string& city, int frame, const Values& ids) {
    const std::string id = absl::StrCat(city, "_000000_00000", frame);
    WriteImage(absl::StrCat("leftImg8bit/", split, "/", city, "/", id, "_leftImg8bit.png"), 1,
               static_cast<int>(ids.size()));
    Write(absl::StrCat("gtFine/", split, "/", city, "/", id, "_gtFine_labelIds.png"),
          LabelFile(ids, static_cast<int>(ids.size())));
  }
};

TEST_F(CityscapesTest, LabelIdsBecomeTrainIds) {
  Values all(34);
  for (int id = 0; id < 34; ++id) all[id] = static_cast<uint8_t>(id);
  WriteFrame("train", "ulm", 1, all);
  WriteFrame("train", "aachen", 2, {7});
  const auto dataset = OpenDataset("cityscapes", root_.string(), "train");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(Ids(**dataset), (std::vector<std::string>{"aachen_000000_000002", "ulm_000000_000001"}));
  constexpr uint8_t kVoid = 255;
  EXPECT_EQ(LabelsOf(dataset, 1), (Values{kVoid, kVoid, kVoid, kVoid, kVoid, kVoid, kVoid, 0,  1,  kVoid, kVoid, 2,
                                          3,     4,     kVoid, kVoid, kVoid, 5,     kVoid, 6,  7,  8,     9,     10,
                                          11,    12,    13,    14,    15,    kVoid, kVoid, 16, 17, 18}));
  const DatasetInfo& info = (*dataset)->info();
  EXPECT_EQ(info.num_classes(), 19);
  EXPECT_EQ(info.class_names[18], "bicycle");
  EXPECT_EQ(info.palette[13], (Color{0, 0, 142}));
  EXPECT_EQ(info.stored_values[16], 31);
}

TEST_F(CityscapesTest, TrainIdsWhereThereAreNoLabelIds) {
  WriteImage("leftImg8bit/val/x/x_000000_000000_leftImg8bit.png");
  Write("gtFine/val/x/x_000000_000000_gtFine_labelTrainIds.png", LabelFile({0, 18, 255}, 3));
  const auto dataset = OpenCityscapes(root_.string(), "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(LabelsOf(dataset, 0), (Values{0, 18, 255}));
}

TEST_F(CityscapesTest, TestLabelsAreNotRead) {
  WriteFrame("test", "bonn", 1, {1, 2, 3});
  const auto dataset = OpenCityscapes(root_.string(), "test");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_FALSE((*dataset)->info().labelled);
  EXPECT_EQ(LabelsOf(dataset, 0), (Values{255, 255, 255}));
}

TEST_F(CityscapesTest, Errors) {
  ExpectError(OpenCityscapes(root_.string(), "val").status(), absl::StatusCode::kNotFound,
              {"Cityscapes", "leftImg8bit/val"});
  WriteFrame("val", "x", 1, {7, 34});
  WriteFrame("val", "x", 2, {7, 8});
  ExpectError((*OpenCityscapes(root_.string(), "val"))->Load(0).status(), absl::StatusCode::kInvalidArgument,
              {"labelIds.png", "value 34"});
  // An image without a label map and the reverse.
  fs::remove(root_ / "gtFine/val/x/x_000000_000001_gtFine_labelIds.png");
  fs::remove(root_ / "leftImg8bit/val/x/x_000000_000002_leftImg8bit.png");
  ExpectError(OpenCityscapes(root_.string(), "val").status(), absl::StatusCode::kNotFound,
              {"label map", "x_000000_000001_gtFine_labelIds.png", "1 more"});
  const auto empty = OpenCityscapes(root_.string(), "val", {.incomplete = IncompleteSamples::kSkip});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ((*empty)->size(), 0);
  ASSERT_EQ((*empty)->Missing().size(), 2);
  EXPECT_EQ((*empty)->Missing()[1].kind, "image");
}

class MapillaryTest : public LayoutTest {
 protected:
  static std::string Config(const std::string& labels) {
    return absl::StrCat(R"({"version": "1.2", "mapping": "public", "labels": [)", labels, "]}");
  }
  static std::string Label(const std::string& name, bool evaluate, const std::string& color) {
    return absl::StrCat(R"({"name": "x", "readable": ")", name, R"(", "instances": true, "evaluate": )",
                        evaluate ? "true" : "false", R"(, "color": [)", color, "]}");
  }
};

TEST_F(MapillaryTest, ClassesComeFromTheConfiguration) {
  Write("config_v1.2.json", Config(Label("Bird", true, "165, 42, 42") + "," + Label("Nothing", false, "0, 0, 0") + "," +
                                   Label("Road", true, "128, 64, 128")));
  Write("config_v2.0.json", Config(Label("Road", true, "1, 2, 3")));
  WriteImage("training/images/-a_.jpg");
  Write("training/v1.2/labels/-a_.png", LabelFile({2, 1, 0}, 3));
  Write("training/v2.0/labels/-a_.png", LabelFile({0, 0, 0}, 3));
  WriteImage("testing/images/b.jpg");
  const auto dataset = OpenDataset("mapillary", root_.string(), "train");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(Ids(**dataset), (std::vector<std::string>{"-a_"}));
  EXPECT_EQ(LabelsOf(dataset, 0), (Values{1, 255, 0}));
  const DatasetInfo& info = (*dataset)->info();
  EXPECT_EQ(info.class_names, (std::vector<std::string>{"Bird", "Road"}));
  EXPECT_EQ(info.palette[1], (Color{128, 64, 128}));
  EXPECT_EQ(info.stored_values, (Values{0, 2}));
  EXPECT_EQ((*OpenDataset("mapillary_v2", root_.string(), "train"))->info().num_classes(), 1);
  EXPECT_EQ(LabelsOf(OpenDataset("mapillary", root_.string(), "test"), 0), (Values{255, 255, 255}));
}

TEST_F(MapillaryTest, TheOlderLayout) {
  Write("config.json", Config(Label("Bird", true, "1, 2, 3")));
  WriteImage("validation/images/a.jpg");
  Write("validation/labels/a.png", LabelFile({0, 0, 0}, 3));
  EXPECT_EQ(LabelsOf(OpenMapillary(root_.string(), "val"), 0), (Values{0, 0, 0}));
}

TEST_F(MapillaryTest, Errors) {
  ExpectError(OpenMapillary(root_.string(), "train").status(), absl::StatusCode::kNotFound, {"config_v1.2.json"});
  ExpectError(OpenMapillary(root_.string(), "training").status(), absl::StatusCode::kInvalidArgument, {"training"});
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "JSON"},
      {"[]", "JSON"},
      {"{}", "labels"},
      {Config("3"), "entry 0"},
      {Config(Label("Bird", true, "1, 2, 3") + "," + Label("Road", true, "1, 2, 300")), "entry 1"},
      {Config(Label("Nothing", false, "0, 0, 0")), "evaluated"}};
  for (const auto& [contents, word] : cases) {
    Write("config_v1.2.json", contents);
    ExpectError(OpenMapillary(root_.string(), "train").status(), absl::StatusCode::kInvalidArgument,
                {"config_v1.2.json", word});
  }
  Write("config_v1.2.json", Config(Label("Bird", true, "1, 2, 3")));
  ExpectError(OpenMapillary(root_.string(), "train").status(), absl::StatusCode::kNotFound, {"training/images"});
}

class ContextReleaseTest : public LayoutTest {
 protected:
  // building (44), unknown (431), pole (303), aeroplane (2), unlabelled, the last one.
  void WriteRelease(const std::vector<uint16_t>& values) {
    WriteImage("VOC2010/JPEGImages/a.jpg", 2, 3);
    Write("VOC2010/ImageSets/Main/val.txt", "a\n");
    // By columns.
    const std::vector<uint16_t> columns = {values[0], values[3], values[1], values[4], values[2], values[5]};
    Write("trainval/a.mat",
          MatFile(MatArray("LabelMap", kMatUint16Class, {2, 3}, MatElement(kMatUint16, MatBytes(columns)))));
  }
};

TEST_F(ContextReleaseTest, LabelsOfTheRelease) {
  WriteRelease({44, 431, 303, 2, 0, 459});
  const auto classes_59 = OpenPascalContext(root_.string(), "val");
  ASSERT_TRUE(classes_59.ok()) << classes_59.status();
  EXPECT_EQ(LabelsOf(classes_59, 0), (Values{10, 255, 255, 0, 255, 255}));
  EXPECT_EQ(LabelsOf(OpenPascalContext(root_.string(), "val", {.background_class = true}), 0),
            (Values{11, 0, 0, 1, 0, 0}));
  EXPECT_EQ(LabelsOf(OpenPascalContext(root_.string(), "val",
                                       {.background_class = true, .order = PascalContextOrder::kOriginal}),
                     0),
            (Values{25, 0, 0, 1, 0, 0}));
}

TEST_F(ContextReleaseTest, Errors) {
  WriteRelease({44, 460, 303, 2, 0, 459});
  ExpectError((*OpenPascalContext(root_.string(), "val"))->Load(0).status(), absl::StatusCode::kInvalidArgument,
              {"a.mat", "value 460", "row 0, column 1"});
  Write("trainval/a.mat", MatFile(MatValues("Labels", {1})));
  ExpectError((*OpenPascalContext(root_.string(), "val"))->Load(0).status(), absl::StatusCode::kNotFound,
              {"a.mat", "LabelMap"});
  Write("labels.txt", "1: accordion\n2: plane\n");
  ExpectError(OpenPascalContext(root_.string(), "val").status(), absl::StatusCode::kInvalidArgument,
              {"labels.txt", "label 2", "plane", "aeroplane"});
}

class SubmissionTest : public LayoutTest {};

TEST_F(SubmissionTest, FilesReadBackAsTheMappedPrediction) {
  DatasetInfo info;
  info.name = "tiny";
  info.class_names = {"road", "car", "sky"};
  info.palette = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
  info.stored_values = {7, 26, 23};
  LabelMap prediction(1, 4);
  prediction.values = {0, 1, 2, 1};
  for (const bool palette : {false, true}) {
    info.palette_files = palette;
    ASSERT_TRUE(WriteSubmission(root_.string(), info, "ulm_000000_000001", prediction).ok());
    const std::string path = (root_ / "ulm_000000_000001.png").string();
    const absl::StatusOr<LabelMap> back = ReadLabelMap(path);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->values, (Values{7, 26, 23, 26}));
    EXPECT_EQ(*back, StoredLabels(info, prediction));
    const Image colors = *ReadImage(path);
    const Values first(colors.pixels.begin(), colors.pixels.begin() + 3);
    EXPECT_EQ(first, palette ? (Values{1, 2, 3}) : (Values{7, 7, 7}));
  }
  prediction.values[3] = 3;
  EXPECT_THROW(StoredLabels(info, prediction), autograd::Error);
  info.stored_values.clear();
  prediction.values[3] = 255;
  EXPECT_EQ(StoredLabels(info, prediction), prediction);
  ExpectError(WriteSubmission((root_ / "nowhere").string(), info, "a", prediction), absl::StatusCode::kNotFound,
              {"nowhere"});
}

// The palette file, the grey file and SBD's structure of one image.
TEST_F(FormatSamples, Voc2012) {
  const auto palette = OpenVoc2012((samples_ / "voc2012").string(), "sample");
  ASSERT_TRUE(palette.ok()) << palette.status();
  EXPECT_EQ(Present(**palette), (std::set<int>{0, 2, 15, 255}));

  Link("grey/JPEGImages", "voc2012/VOCdevkit/VOC2012/JPEGImages");
  Link("grey/ImageSets", "voc2012/VOCdevkit/VOC2012/ImageSets");
  Link("grey/SegmentationClassAug", "voc2012/VOCdevkit/VOC2012/SegmentationClassAug");
  const auto grey = OpenVoc2012((root_ / "grey").string(), "sample");
  ASSERT_TRUE(grey.ok()) << grey.status();
  EXPECT_EQ((*grey)->Load(0)->label, (*palette)->Load(0)->label);

  Link("sbd/JPEGImages", "voc2012/VOCdevkit/VOC2012/JPEGImages");
  Link("sbd/ImageSets", "voc2012/VOCdevkit/VOC2012/ImageSets");
  Link("sbd/SBD/dataset", "sbd/dataset");
  const auto sbd = OpenVoc2012((root_ / "sbd").string(), "sample");
  ASSERT_TRUE(sbd.ok()) << sbd.status();
  LabelMap without_border = (*palette)->Load(0)->label;
  for (uint8_t& value : without_border.values) value = value == 255 ? 0 : value;
  EXPECT_EQ((*sbd)->Load(0)->label, without_border);
}

TEST_F(FormatSamples, CityscapesAndInstances) {
  const std::string root = (samples_ / "cityscapes").string();
  const auto dataset = OpenCityscapes(root, "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(Ids(**dataset), (std::vector<std::string>{"frankfurt_000000_000294"}));
  const Sample sample = *(*dataset)->Load(0);
  const absl::StatusOr<IndexMap> instances = ReadCityscapesInstances(root, "val", sample.id);
  ASSERT_TRUE(instances.ok()) << instances.status();
  ASSERT_EQ(instances->values.size(), sample.label.values.size());
  for (size_t i = 0; i < instances->values.size(); ++i) {
    const int id = instances->values[i] >= 1000 ? instances->values[i] / 1000 : instances->values[i];
    const uint8_t label = sample.label.values[i];
    if (label == 255) continue;
    ASSERT_EQ((*dataset)->info().stored_values[label], id);
  }
  // The truth of the official program's matrix: road, sky, car.
  const std::vector<int64_t> counts = Counts(**dataset);
  EXPECT_EQ(counts[0], 9740);
  EXPECT_EQ(counts[10], 581);
  EXPECT_EQ(counts[13], 1802);
  ExpectError(ReadCityscapesInstances(root, "val", "ulm_1_2").status(), absl::StatusCode::kNotFound, {"ulm_1_2"});
}

TEST_F(FormatSamples, Mapillary) {
  const auto tiny = OpenMapillary((samples_ / "mapillary_tiny").string(), "val");
  ASSERT_TRUE(tiny.ok()) << tiny.status();
  EXPECT_EQ((*tiny)->info().class_names, (std::vector<std::string>{"Bird", "Separator", "Bicycle"}));
  EXPECT_EQ((*tiny)->size(), 2);
  EXPECT_EQ(Present(**tiny), (std::set<int>{0, 1, 2}));
  EXPECT_EQ((*OpenMapillary((samples_ / "mapillary_tiny").string(), "train"))->size(), 1);

  Link("training", "mapillary/training");
  Link("config_v1.2.json", "mapillary/config_v1.1.json");
  const auto genuine = OpenMapillary(root_.string(), "train");
  ASSERT_TRUE(genuine.ok()) << genuine.status();
  const DatasetInfo& info = (*genuine)->info();
  EXPECT_EQ(info.num_classes(), 65);
  EXPECT_EQ(info.class_names[13], "Road");
  EXPECT_EQ(info.class_names[64], "Ego Vehicle");
  EXPECT_EQ(info.palette[55], (Color{0, 0, 142}));
  EXPECT_EQ(Present(**genuine), (std::set<int>{17, 44, 45}));
}

// The converted PNG of the same invented map, in both orders and protocols.
TEST_F(FormatSamples, PascalContextReleaseEqualsItsConversion) {
  for (const char* form : {".mat", "_double.mat", "_uncompressed.mat"}) {
    const std::string release = absl::StrCat("release", form), converted = absl::StrCat("converted", form);
    Link(release + "/VOC2010/JPEGImages", "voc2012/VOCdevkit/VOC2012/JPEGImages");
    Link(release + "/labels.txt", "pascal_context/labels.txt");
    Link(release + "/trainval/2007_000129.mat", absl::StrCat("pascal_context/trainval_generated/2007_000129", form));
    Write(release + "/VOC2010/ImageSets/Main/val.txt", "2007_000129\n");
    Link(converted + "/VOC2010/JPEGImages", "voc2012/VOCdevkit/VOC2012/JPEGImages");
    Link(converted + "/VOC2010/SegmentationClassContext", "pascal_context/SegmentationClassContext_generated");
    Write(converted + "/VOC2010/ImageSets/SegmentationContext/val.txt", "2007_000129\n");
    for (const bool background : {false, true}) {
      for (const PascalContextOrder order : {PascalContextOrder::kAlphabetical, PascalContextOrder::kOriginal}) {
        const PascalContextOptions options = {.background_class = background, .order = order};
        const auto mat = OpenPascalContext((root_ / release).string(), "val", options);
        const auto png = OpenPascalContext((root_ / converted).string(), "val", options);
        ASSERT_TRUE(mat.ok()) << mat.status();
        ASSERT_TRUE(png.ok()) << png.status();
        const absl::StatusOr<Sample> from_mat = (*mat)->Load(0);
        ASSERT_TRUE(from_mat.ok()) << from_mat.status();
        EXPECT_EQ(from_mat->label, (*png)->Load(0)->label) << form << background;
      }
    }
  }
}

}  // namespace
}  // namespace data
