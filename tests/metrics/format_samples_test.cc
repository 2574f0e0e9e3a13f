// The scores of the predictions in format_samples against the numbers that an independent program and the official
// Cityscapes program printed for them.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autograd/runtime/atomic_file.h"
#include "data/formats/png.h"
#include "nlohmann/json.hpp"
#include "seg/metrics/confusion_matrix.h"
#include "seg/metrics/image_scores.h"

namespace seg {
namespace {

std::string SamplesFolder() {
  const char* folder = std::getenv("SEGMENTATION_DATA");
  return folder == nullptr ? "" : std::string(folder) + "/format_samples/";
}

#define SKIP_WITHOUT_DATA() \
  if (SamplesFolder().empty()) GTEST_SKIP() << "SEGMENTATION_DATA is not set"

std::vector<uint8_t> ReadLabels(const std::string& path) {
  const absl::StatusOr<std::string> bytes = autograd::ReadFile(SamplesFolder() + path);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  const absl::StatusOr<data::LabelMap> labels = data::DecodeLabelPng(*bytes);
  EXPECT_TRUE(labels.ok()) << path << ": " << labels.status();
  return labels->values;
}

nlohmann::json ReadJson(const std::string& path) {
  std::ifstream stream(SamplesFolder() + path);
  return nlohmann::json::parse(stream);
}

// ADE20K stores class k + 1, and 0 where nothing is labelled.
void ShiftDown(std::vector<uint8_t>& labels) {
  for (uint8_t& label : labels) label = static_cast<uint8_t>(label - 1);  // 0 becomes void
}

void ExpectScores(const ConfusionMatrix& matrix, const nlohmann::json& expected) {
  constexpr double kTolerance = 1e-12;
  ASSERT_EQ(matrix.classes(), expected["n_classes"].get<int>());
  EXPECT_EQ(matrix.pixels(), expected["labelled_pixels"].get<int64_t>());
  EXPECT_NEAR(matrix.PixelAccuracy(), expected["pixAcc"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.ClassAccuracy(), expected["mAcc_gt_present"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.MeanIou(ClassSet::kUnion), expected["mIoU_union_present"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.MeanIou(ClassSet::kTruth), expected["mIoU_gt_present"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.MeanIou(ClassSet::kAll), expected["mIoU_absent_as_zero"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.FrequencyWeightedIou(), expected["fwIoU"].get<double>(), kTolerance);
  EXPECT_NEAR(matrix.MeanDice(ClassSet::kUnion), expected["mDice_union_present"].get<double>(), kTolerance);
  const std::vector<double> iou = matrix.ClassIou();
  for (int k = 0; k < matrix.classes(); ++k) {
    const auto found = expected["per_class_iou"].find(std::to_string(k));
    if (found == expected["per_class_iou"].end()) {
      EXPECT_TRUE(std::isnan(iou[k])) << k;
    } else {
      EXPECT_NEAR(iou[k], found->get<double>(), kTolerance) << k;
    }
  }
}

void CheckDataset(const std::string& dataset, int classes, const std::string& truth_folder,
                  const std::vector<std::string>& names, bool shift) {
  const nlohmann::json expected = ReadJson(dataset + "/predictions/expected.json");
  ConfusionMatrix total(classes);
  for (const std::string& name : names) {
    std::vector<uint8_t> truth = ReadLabels(truth_folder + name),
                         prediction = ReadLabels(dataset + "/predictions/" + name);
    if (shift) {
      ShiftDown(truth);
      ShiftDown(prediction);
    }
    ConfusionMatrix image(classes);
    image.Add(truth, std::span<const uint8_t>(prediction));
    total.Add(image);
    if (!expected.contains("per_image")) continue;
    const nlohmann::json& scores = expected["per_image"][name];
    ExpectScores(image, scores);
    EXPECT_NEAR(ScoreImage(truth, std::span<const uint8_t>(prediction), classes, ClassSet::kTruth).mean_iou,
                scores["mIoU_gt_present"].get<double>(), 1e-12);
    EXPECT_NEAR(ScoreImage(truth, std::span<const uint8_t>(prediction), classes, ClassSet::kUnion).mean_iou,
                scores["mIoU_union_present"].get<double>(), 1e-12);
  }
  ExpectScores(total, expected["dataset"]);
}

TEST(FormatSamples, Voc2012) {
  SKIP_WITHOUT_DATA();
  CheckDataset("voc2012", 21, "voc2012/VOCdevkit/VOC2012/SegmentationClassAug/", {"2007_000129.png"}, false);
}

TEST(FormatSamples, Ade20k) {
  SKIP_WITHOUT_DATA();
  CheckDataset("ade20k", 150, "ade20k/ADEChallengeData2016/annotations/validation/",
               {"ADE_val_00000001.png", "ADE_val_00000002.png", "ADE_val_00000003.png"}, true);
}

TEST(FormatSamples, Cihp) {
  SKIP_WITHOUT_DATA();
  CheckDataset("cihp", 20, "cihp/Training/Category_ids/",
               {"0002190.png", "0005008.png", "0012008.png", "0026375.png", "0032190.png"}, false);
}

// The official program: 19 of 34 ids are evaluated; predictions of the others are misses.
TEST(FormatSamples, CityscapesAgainstTheOfficialProgram) {
  SKIP_WITHOUT_DATA();
  const nlohmann::json expected = ReadJson("cityscapes/predictions/shift/expected_official.json");
  const std::vector<int> evaluated{7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33};
  std::vector<uint8_t> train_id(256, kVoid);
  for (size_t k = 0; k < evaluated.size(); ++k) train_id[evaluated[k]] = static_cast<uint8_t>(k);
  std::vector<uint8_t> truth =
      ReadLabels("cityscapes/gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png");
  std::vector<uint8_t> prediction = ReadLabels("cityscapes/predictions/shift/frankfurt_000000_000294_pred.png");
  for (uint8_t& label : truth) label = train_id[label];
  for (uint8_t& label : prediction) label = train_id[label];
  ConfusionMatrix matrix(19);
  matrix.Add(truth, std::span<const uint8_t>(prediction));
  EXPECT_NEAR(matrix.MeanIou(ClassSet::kUnion), expected["averageScoreClasses"].get<double>(), 1e-12);
  const std::vector<double> iou = matrix.ClassIou();
  for (const auto& [name, id] : expected["labels"].items()) {
    const uint8_t label = id.get<int>() < 0 ? kVoid : train_id[id.get<int>()];
    if (label == kVoid) continue;
    const nlohmann::json& score = expected["classScores"][name];
    if (score.is_null()) {
      EXPECT_TRUE(std::isnan(iou[label])) << name;
    } else {
      EXPECT_NEAR(iou[label], score.get<double>(), 1e-12) << name;
    }
  }
}

}  // namespace
}  // namespace seg
