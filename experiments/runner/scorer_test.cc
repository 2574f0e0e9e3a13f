#include "experiments/runner/scorer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "data/datasets/open_dataset.h"
#include "data/formats/jpeg.h"
#include "data/formats/png.h"

namespace experiments {
namespace {

namespace fs = std::filesystem;

using Values = std::vector<uint8_t>;

data::LabelMap Row(const Values& values) {
  data::LabelMap map(1, static_cast<int>(values.size()));
  map.values = values;
  return map;
}

void Add(Scorer& scorer, const Values& truth, const Values& prediction) {
  data::Sample sample;
  sample.label = Row(truth);
  scorer.Add(sample, Row(prediction));
}

void ExpectScores(const Scorer& scorer, const std::vector<Score>& expected) {
  const std::vector<Score> scores = scorer.Scores();
  const std::vector<std::string> names = scorer.Names();
  ASSERT_EQ(scores.size(), expected.size());
  ASSERT_EQ(names.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(scores[i].name, expected[i].name);
    EXPECT_EQ(names[i], expected[i].name);
    EXPECT_DOUBLE_EQ(scores[i].value, expected[i].value) << expected[i].name;
  }
}

data::DatasetInfo Info(const std::string& name, int classes) {
  data::DatasetInfo info;
  info.name = name;
  info.class_names.resize(classes, "x");
  return info;
}

// Classes 0 and 1 are found in part, 2 is missed, 5 and 7 are invented, 9 is given to a void pixel alone. Counts are
// summed over the images before anything is divided.
TEST(ScorerTest, TheSceneParsingKitCountsAbsentClasses) {
  const std::unique_ptr<Scorer> scorer = MakeScorer(Info("ade20k", 150), "");
  EXPECT_TRUE(scorer->Scores().empty());
  Add(*scorer, {255, 255}, {3, 4});
  EXPECT_TRUE(scorer->Scores().empty());
  Add(*scorer, {0, 0, 0, 1, 1, 255, 255, 2}, {0, 0, 1, 1, 5, 5, 9, 7});
  Add(*scorer, {1}, {1});
  const double sum = 2. / 3 + 2. / 4;  // I / U of classes 0 and 1
  ExpectScores(*scorer, {{"mIoU", sum / 5},
                         {"pixel accuracy", 4. / 7},
                         {"class accuracy", (2. / 3 + 2. / 3 + 0) / 3},
                         {"kit mIoU", sum / 150},
                         {"kit score", (4. / 7 + sum / 150) / 2}});
}

// Class 10 is missed, 3 is invented; 0 and 1 are found in part. SCHP's mean is over all 20.
TEST(ScorerTest, HumanParsingWithAndWithoutClassTen) {
  for (const char* name : {"lip", "cihp"}) {
    const std::unique_ptr<Scorer> scorer = MakeScorer(Info(name, 20), "");
    EXPECT_TRUE(scorer->Scores().empty());
    Add(*scorer, {0, 0, 0, 1, 1, 10, 10, 255}, {0, 0, 1, 1, 1, 10, 3, 7});
    const double without = 2. / 3 + 2. / 3 + 0;  // classes 0, 1 and 3
    ExpectScores(*scorer, {{"mIoU", (without + 1. / 2) / 4},
                           {"pixel accuracy", 5. / 7},
                           {"class accuracy", (2. / 3 + 1 + 1. / 2) / 3},
                           {"mIoU without class 10", without / 3},
                           {"mIoU, absent as 0", (without + 1. / 2) / 20}});
  }
}

// One road pixel and three of a car, without, with unusable and with usable instances.
TEST(ScorerTest, CityscapesWithoutInstancesSaysSo) {
  const fs::path root = fs::path(::testing::TempDir()) / "cityscapes_scorer";
  const fs::path images = root / "leftImg8bit/val/ulm", labels = root / "gtFine/val/ulm";
  fs::create_directories(images);
  fs::create_directories(labels);
  const std::string id = "ulm_000000_000001";
  std::ofstream(images / (id + "_leftImg8bit.png"), std::ios::binary) << data::EncodePng(data::Image(1, 4));
  std::ofstream(labels / (id + "_gtFine_labelIds.png"), std::ios::binary) << data::EncodeLabelPng(Row({7, 26, 26, 26}));
  const auto dataset = data::OpenDataset("cityscapes", root.string(), "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const std::string instances = id + "_gtFine_instanceIds.png";
  const auto expect_note = [&](const std::string& word) {
    const std::unique_ptr<Scorer> scorer = MakeScorer((*dataset)->info(), root.string());
    scorer->Add(*(*dataset)->Load(0), Row({0, 13, 13, 0}));
    EXPECT_EQ(scorer->Scores().back().name, "IoU category");
    const std::vector<std::string> notes = scorer->Notes();
    ASSERT_EQ(notes.size(), 1);
    EXPECT_NE(notes[0].find("iIoU"), std::string::npos) << notes[0];
    EXPECT_NE(notes[0].find(word), std::string::npos) << notes[0];
  };
  expect_note(instances);
  std::ofstream(labels / instances, std::ios::binary) << data::EncodeLabelPng(Row({7, 26, 26}));
  expect_note("3 x 1");
  // 16-bit PNGs: 7, 26000, 34000, 26001, and the same with 26000 in place of 34000, which is beyond the label ids.
  const std::string head = "89504e470d0a1a0a0000000d49484452000000040000000110000000008cc78c52000000";
  const std::string end = "0000000049454e44ae426082";
  const auto write = [&](const std::string& pixels) {
    std::ofstream(labels / instances, std::ios::binary) << absl::HexStringToBytes(head + pixels + end);
  };
  write("1149444154789c6360604f9dd072217522000b4303474915dfa8");
  expect_note("34000");
  write("0f49444154789c6360604f9d008413010a0702e895b5bd89");
  const std::unique_ptr<Scorer> scorer = MakeScorer((*dataset)->info(), root.string());
  scorer->Add(*(*dataset)->Load(0), Row({0, 13, 13, 0}));
  EXPECT_EQ(scorer->Notes(), std::vector<std::string>());
  EXPECT_EQ(scorer->Scores().back().name, "iIoU category");
}

// The background of Pascal Context is a class like any other with 60 classes, in pixel accuracy too; with 59 its pixels
// count nowhere.
TEST(ScorerTest, PascalContextWithAndWithoutBackground) {
  const fs::path root = fs::path(::testing::TempDir()) / "context";
  for (const char* folder : {"images", "labels"}) fs::create_directories(root / folder);
  std::ofstream(root / "images/a.jpg", std::ios::binary) << data::EncodeJpeg(data::Image(1, 5));
  std::ofstream(root / "labels/a.png", std::ios::binary) << data::EncodeLabelPng(Row({0, 1, 59, 0, 59}));
  std::ofstream(root / "val.txt") << "a\n";
  const auto open = [&root](const std::string& name) { return *data::OpenDataset(name, root.string(), "val"); };

  const auto with = open("pascal_context_60");
  const std::unique_ptr<Scorer> scorer_60 = MakeScorer(with->info(), root.string());
  EXPECT_EQ(scorer_60->confusion().classes(), 60);
  scorer_60->Add(*with->Load(0), Row({0, 0, 59, 1, 59}));
  ExpectScores(*scorer_60, {{"mIoU", (1. / 3 + 0. / 2 + 2. / 2) / 3},
                            {"pixel accuracy", 3. / 5},
                            {"class accuracy", (1. / 2 + 0. / 1 + 2. / 2) / 3}});

  const auto without = open("pascal_context");
  const std::unique_ptr<Scorer> scorer_59 = MakeScorer(without->info(), root.string());
  EXPECT_EQ(scorer_59->confusion().classes(), 59);
  scorer_59->Add(*without->Load(0), Row({0, 0, 58, 1, 57}));
  ExpectScores(*scorer_59, {{"mIoU", (1. / 1 + 1. / 2 + 0. / 1) / 3},
                            {"pixel accuracy", 2. / 3},
                            {"class accuracy", (1. / 1 + 1. / 2) / 2}});
}

}  // namespace
}  // namespace experiments
