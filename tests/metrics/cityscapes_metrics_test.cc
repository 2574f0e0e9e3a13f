// Every number that the official Cityscapes program printed for the prediction of the format samples.

#include "seg/metrics/cityscapes_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "data/datasets/cityscapes.h"
#include "data/datasets/submission.h"
#include "data/formats/read_image.h"
#include "nlohmann/json.hpp"

namespace seg {
namespace {

constexpr double kTolerance = 1e-12;

class OfficialProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SEGMENTATION_DATA");
    if (folder == nullptr) GTEST_SKIP() << "SEGMENTATION_DATA is not set";
    root_ = std::string(folder) + "/format_samples/cityscapes";
    std::ifstream stream(root_ + "/predictions/shift/expected_official.json");
    expected_ = nlohmann::json::parse(stream);
    prediction_ = *data::ReadLabelMap(root_ + "/predictions/shift/frankfurt_000000_000294_pred.png");
    instances_ = *data::ReadCityscapesInstances(root_, "val", "frankfurt_000000_000294");
  }

  static void ExpectScore(double score, const nlohmann::json& expected, const std::string& name) {
    if (expected.is_null()) {
      EXPECT_TRUE(std::isnan(score)) << name << " " << score;
    } else {
      EXPECT_NEAR(score, expected.get<double>(), kTolerance) << name;
    }
  }
  void ExpectAll(const CityscapesScores& scores) {
    for (const auto& [name, id] : expected_["labels"].items()) {
      ExpectScore(scores.class_iou[id.get<int>()], expected_["classScores"][name], name);
      ExpectScore(scores.class_instance_iou[id.get<int>()], expected_["classInstScores"][name], name);
    }
    for (int category = 0; category < kCityscapesCategories; ++category) {
      const char* name = kCityscapesCategoryNames[category];
      ASSERT_TRUE(expected_["categoryScores"].contains(name)) << name;
      ExpectScore(scores.category_iou[category], expected_["categoryScores"][name], name);
      ExpectScore(scores.category_instance_iou[category], expected_["categoryInstScores"][name], name);
    }
    ExpectScore(scores.mean_class_iou, expected_["averageScoreClasses"], "classes");
    ExpectScore(scores.mean_category_iou, expected_["averageScoreCategories"], "categories");
    ExpectScore(scores.mean_class_instance_iou, expected_["averageScoreInstClasses"], "instances");
    ExpectScore(scores.mean_category_instance_iou, expected_["averageScoreInstCategories"], "instance categories");
  }

  std::string root_;
  nlohmann::json expected_;
  data::LabelMap prediction_;
  data::IndexMap instances_;
};

TEST_F(OfficialProgram, LabelIds) {
  const data::LabelMap truth =
      *data::ReadLabelMap(root_ + "/gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png");
  CityscapesMetrics metrics;
  metrics.Add(truth.values, prediction_.values, instances_.values);
  ExpectAll(metrics.Scores());
}

// The way a network's prediction takes: the dataset's train ids, void as label id 0.
TEST_F(OfficialProgram, TrainIdsOfTheDataset) {
  const auto dataset = data::OpenCityscapes(root_, "val");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  data::LabelMap truth = data::StoredLabels((*dataset)->info(), (*dataset)->Load(0)->label);
  for (uint8_t& value : truth.values) value = value == data::kVoidLabel ? 0 : value;
  CityscapesMetrics metrics;
  metrics.Add(truth.values, prediction_.values, instances_.values);
  ExpectAll(metrics.Scores());
}

}  // namespace
}  // namespace seg
